from __future__ import annotations

from collections.abc import Mapping

import optuna
import pytest
from optuna.trial import TrialState

from harness.sweep.median import Median


def stopped(
    value: Mapping[int, float], others: list[Mapping[int, float]], pruner: Median, direction: str = "maximize"
) -> bool:
    """Whether a trial with these values by step is stopped, after complete ones with theirs."""
    study = optuna.create_study(direction=direction, pruner=pruner)
    for values in others:
        study.add_trial(
            optuna.trial.create_trial(state=TrialState.COMPLETE, value=0.0, intermediate_values=dict(values))
        )
    trial = study.ask()
    for step, number in value.items():
        trial.report(number, step)
    return trial.should_prune()


FIVE = [{1: value, 2: value} for value in (0.1, 0.2, 0.3, 0.4, 0.5)]


def test_half_of_the_finished_trials_must_not_be_better() -> None:
    assert stopped({1: 0.29}, FIVE, Median(5, 1, 3))
    assert not stopped({1: 0.3}, FIVE, Median(5, 1, 3))
    assert stopped({1: 0.31}, FIVE, Median(5, 1, 3), "minimize")
    assert not stopped({1: 0.3}, FIVE, Median(5, 1, 3), "minimize")


def test_the_latest_value_counts_whatever_was_before() -> None:
    assert stopped({1: 0.9, 2: 0.29}, FIVE, Median(5, 1, 3))
    assert not stopped({1: 0.1, 2: 0.31}, FIVE, Median(5, 1, 3))


def test_it_waits_for_trials_for_steps_and_for_values_at_the_step() -> None:
    assert not stopped({1: 0.0}, FIVE, Median(6, 1, 3))
    assert not stopped({1: 0.0}, FIVE, Median(5, 2, 3))
    assert stopped({1: 0.0, 2: 0.0}, FIVE, Median(5, 2, 3))
    assert not stopped({1: 0.0, 3: 0.0}, FIVE, Median(5, 1, 1))
    assert not stopped({1: 0.0}, FIVE, Median(5, 1, 6))
    assert not stopped({}, FIVE, Median(0, 0, 1))


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^n_startup_trials must be at least 0, got -1$"):
        Median(-1, 1, 1)
    with pytest.raises(ValueError, match=r"^n_warmup_steps must be at least 0, got -1$"):
        Median(0, -1, 1)
    with pytest.raises(ValueError, match=r"^n_min_trials must be at least 1, got 0$"):
        Median(0, 1, 0)
