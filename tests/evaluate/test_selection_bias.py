"""harness/evaluate/selection_bias.py: the price of a choice, on models whose true scores are known."""

from __future__ import annotations

import numpy as np
import pytest

from harness.core.task import Task
from harness.evaluate import selection_bias as module
from harness.evaluate.classification import Classification
from harness.evaluate.resampled_scores import ResampledScores
from harness.evaluate.selection_bias import SelectionBias, selection_bias

TWO = Task("binary", ("no", "yes"))
SHARE = (0.0, 1.0)


def scores_of(right: np.ndarray) -> ResampledScores:
    """The accuracies of models: `right` (n, models) says which rows each predicts correctly."""
    target = np.arange(len(right)) % 2
    outputs = [np.where(column, 1.0, -1.0) * np.where(target == 1, 1.0, -1.0) for column in right.T]
    fold = np.zeros(len(right), dtype=int)
    return ResampledScores(TWO, fold, target, outputs, Classification().pool, "accuracy")


def priced(right: np.ndarray, group: np.ndarray | None = None) -> SelectionBias:
    made = selection_bias(
        scores_of(right), np.arange(len(right)) if group is None else group, "maximize", SHARE
    )
    assert made is not None
    return made


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESAMPLES", 200)


def test_the_best_of_twenty_equal_models_is_too_good_and_the_expected_score_is_not() -> None:
    random = np.random.default_rng(5)
    naive, ours, inside = [], [], []
    for _ in range(15):
        right = random.random((100, 20)) < 0.8
        made = priced(right)
        naive.append(right.mean(axis=0).max() - 0.8)
        ours.append(made.expected - 0.8)
        inside.append(made.low <= 0.8 <= made.high)
    assert np.mean(naive) > 0.05
    assert abs(np.mean(ours)) < 0.015
    assert np.mean(inside) >= 13 / 15


def test_a_single_clear_winner_costs_nothing() -> None:
    right = np.stack([np.arange(200) % 20 > 0, np.arange(200) % 2 > 0], axis=1)
    made = priced(right)
    assert made.expected == pytest.approx(0.95, abs=0.005)
    assert made.equivalent == (0,)
    assert made == priced(right)  # the resamples are always the same
    # Wilson's interval of 190 of 200 rows.
    assert (made.low, made.high) == pytest.approx((0.910, 0.973), abs=0.01)


def test_rows_of_a_group_are_drawn_together() -> None:
    patients = np.random.default_rng(0).random((30, 2)) < 0.7
    right = np.repeat(patients, 10, axis=0)
    alone, grouped = priced(right), priced(right, np.repeat(np.arange(30), 10))
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
    assert grouped.equivalent == (0, 1) or grouped.equivalent == (1, 0)


def test_equal_models_are_equivalent_and_one_that_is_worse_on_the_same_rows_is_not() -> None:
    base = np.random.default_rng(1).random(200) < 0.9
    worse = base & (np.arange(200) % 8 > 0)
    made = priced(np.stack([worse, base, base], axis=1))
    assert made.equivalent == (1, 2)


def test_an_error_is_better_when_it_is_low_and_one_group_has_no_price() -> None:
    right = np.stack([np.arange(40) % 4 > 0, np.arange(40) % 2 > 0], axis=1)
    made = selection_bias(scores_of(right), np.arange(40), "minimize", SHARE)
    assert made is not None
    assert made.expected == pytest.approx(0.5, abs=0.03)
    assert selection_bias(scores_of(right), np.zeros(40), "maximize") is None


def losses_of(margins: np.ndarray) -> ResampledScores:
    """The log-losses of models: `margins` (n, models) are their logits of the true class."""
    target = np.arange(len(margins)) % 2
    outputs = [column * np.where(target == 1, 1.0, -1.0) for column in margins.T]
    fold = np.zeros(len(margins), dtype=int)
    return ResampledScores(TWO, fold, target, outputs, Classification().pool, "log_loss")


def test_a_few_wrong_rows_make_the_interval_of_a_log_loss_wider() -> None:
    margins = np.full((100, 2), 1.0)
    margins[:, 0] = np.where(np.arange(100) % 20 == 0, -4.0, 8.0)  # five rows have nearly all of the loss
    scores, rows = losses_of(margins), np.arange(100)
    wrong, even = np.zeros(9, dtype=int), np.ones(9, dtype=int)
    assert module._effective_units(scores, wrong, rows) == pytest.approx(5, abs=0.1)
    assert module._effective_units(scores, even, rows) == pytest.approx(100)
    assert module._effective_units(scores, even, rows // 10) == pytest.approx(10)
    both = np.concatenate([wrong, even])
    assert module._effective_units(scores, both, rows) == pytest.approx(52.5, abs=0.1)
    made = selection_bias(losses_of(margins[:, :1]), rows, "minimize", (0.0, np.inf))
    plain = selection_bias(losses_of(margins[:, :1]), rows, "minimize")
    assert made is not None
    assert plain is not None
    assert made.expected == plain.expected
    assert made.high - made.expected > 1.5 * (made.expected - made.low) > 0
    assert made.high > plain.high
