"""The statistics of benchmarks/tables.py, and its contenders on a small table."""

from __future__ import annotations

import math

import pytest
from scipy.stats import ttest_rel

from benchmarks import tables
from benchmarks.table_sets import SETS, TARGET
from benchmarks.tables import Contender

OUTCOMES = {
    "a": Contender([0.75, 0.5, 0.25], 2.0),
    "b": Contender([0.5, 0.25, 0.0], 4.0),
    "boosting": Contender([0.5, 0.375, 0.625], None),
}


def test_ranks_and_normalised_scores_are_of_the_means_over_folds() -> None:
    assert tables.ranks(OUTCOMES) == {"a": 1.5, "b": 3, "boosting": 1.5}
    assert tables.normalised(OUTCOMES) == pytest.approx({"a": 1.0, "b": 0.0, "boosting": 1.0})
    assert tables.normalised({"a": OUTCOMES["a"]}) == {"a": 1.0}


def test_a_difference_has_the_interval_of_the_paired_t_test() -> None:
    ours, theirs = [0.9, 0.85, 0.7, 0.8], [0.7, 0.8, 0.65, 0.7]
    interval = ttest_rel(ours, theirs).confidence_interval(0.95)
    assert tables.difference(ours, theirs) == pytest.approx((0.1, interval.low, interval.high))
    assert tables.difference([1.0], [0.5]) == (0.5, -math.inf, math.inf)


def test_the_page_counts_wins_and_losses() -> None:
    text = tables.page({"t": {**OUTCOMES, "c": Contender([1.0, 0.875, 1.125], 1.0)}})
    assert "| c | 1.00 | 1.000 | 1 : 0 of 1 | 1.0 |" in text
    assert "| t | 0.5000 | 0.2500 | 0.5000 | 1.0000 |" in text


def test_at_least_25_tables_have_names_of_their_own_and_the_bundled_ones_a_target() -> None:
    assert len({table.name for table in SETS}) == len(SETS) >= 25
    bundled = [table for table in SETS if table.package is None]
    assert all(TARGET in table.rows().columns for table in bundled)


@pytest.mark.slow
@pytest.mark.usefixtures("fitted_baselines")
def test_contenders_and_baselines_share_folds() -> None:
    wine = next(table for table in SETS if table.name == "wine")
    found = tables.measure(wine, ["default"], 2)
    assert set(found) == {"default", "linear", "boosting"}
    assert all(len(outcome.scores) == 2 and min(outcome.scores) > 0.5 for outcome in found.values())
