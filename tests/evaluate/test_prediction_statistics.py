"""What the page works out itself equals scikit-learn's and scipy's answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

from harness.evaluate.prediction_statistics import (
    bootstrap_counts,
    bootstrap_interval,
    calibration,
    confusion,
    per_class,
    rank_interval,
    ranking,
    wilson,
)
from harness.report.html.chart import ticks


def test_precision_recall_and_f1_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    true, predicted = random.integers(0, 4, 200), random.integers(0, 3, 200)
    expected = precision_recall_fscore_support(true, predicted, labels=range(4), zero_division=0)
    for found, right in zip(per_class(confusion(true, predicted, 4)), expected[:3], strict=True):
        assert found == pytest.approx(right)


@pytest.mark.parametrize(("right", "rows"), [(0, 5), (355, 359), (7, 7)])
def test_the_interval_of_a_share_is_wilson_s(right: int, rows: int) -> None:
    expected = binomtest(right, rows).proportion_ci(method="wilson")
    assert wilson(right, rows) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_areas_under_both_curves_are_those_of_scikit_learn_with_ties() -> None:
    random = np.random.default_rng(1)
    score, positive = random.integers(0, 10, 300) / 10, random.random(300) < 0.3
    found = ranking(score, positive)
    assert found is not None
    assert found.auroc == pytest.approx(roc_auc_score(positive, score))
    assert found.average_precision == pytest.approx(average_precision_score(positive, score))
    assert ranking(score, np.ones(300, dtype=bool)) is None


def test_the_calibration_error_of_four_rows_by_hand() -> None:
    found = calibration(np.array([0.05, 0.95, 0.95, 1.0]), np.array([True, True, False, True]), bins=10)
    assert found.counts.tolist() == [1, 3]
    assert found.error == pytest.approx((0.95 + 3 * abs(2 / 3 - 2.9 / 3)) / 4)


def test_the_bootstrap_interval_of_a_mean_is_close_to_the_normal_one() -> None:
    errors = np.random.default_rng(2).normal(5, 1, 400)
    low, high = bootstrap_interval(errors, lambda drawn: drawn.mean(axis=-1))
    assert (low, high) == pytest.approx((errors.mean() - 0.098, errors.mean() + 0.098), abs=0.015)


def test_resampled_counts_give_the_interval_of_a_share() -> None:
    found = bootstrap_counts(np.array([[80, 20], [0, 0]]), lambda drawn: drawn[:, 0, 0] / 100)
    assert found == pytest.approx((0.72, 0.88), abs=0.015)  # 0.8 -+ 1.96 * 0.04


def test_the_interval_of_an_area_is_delong_s_on_the_logit_scale() -> None:
    random = np.random.default_rng(3)
    positive = random.random(60) < 0.4
    score = (random.integers(0, 12, 60) + 4 * positive) / 16  # with ties
    won = score[positive][:, None] - score[~positive][None]
    won = (won > 0) + 0.5 * (won == 0)
    area = won.mean()
    variance = won.mean(1).var(ddof=1) / positive.sum() + won.mean(0).var(ddof=1) / (~positive).sum()
    step = 1.959963984540054 * np.sqrt(variance) / (area * (1 - area))
    assert area == pytest.approx(roc_auc_score(positive, score))
    assert rank_interval(score, positive) == pytest.approx(expit(logit(area) + np.array([-step, step])))


@pytest.mark.parametrize(
    ("score", "positive"), [([0, 1, 2, 3], [0, 0, 1, 1]), ([0, 3, 2], [0, 1, 0]), ([0, 1], [1, 1])]
)
def test_an_area_of_1_or_of_a_single_row_has_no_interval(score: list[int], positive: list[int]) -> None:
    assert rank_interval(np.array(score), np.array(positive) == 1) is None


def test_ticks_are_round_numbers_within_the_range() -> None:
    assert ticks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert ticks(-3.2, 3.1) == pytest.approx([-2, 0, 2])
    assert ticks(1, 1) == []
