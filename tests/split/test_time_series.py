import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import model_selection

from harness.core.errors import UserError
from harness.core.table import Table
from harness.split.time_series import TimeSeries

DEFAULT = {"folds": 4, "fold": None, "window": "expanding", "gap": 0, "valid": 0.0}


def time_series(**changes) -> TimeSeries:
    return TimeSeries(**(DEFAULT | changes))


def visits(when, target=None) -> Table:
    target = np.arange(len(when)) + 0.5 if target is None else target
    frame = pd.DataFrame({"x": range(len(when)), "y": target, "when": when})
    return Table(frame, ("x",), target=("y",), time="when", name="visits")


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(12, 60), folds=st.integers(2, 5), gap=st.integers(0, 1), seed=st.integers(0, 99))
def test_without_ties_the_folds_are_those_of_scikit_learn(rows, folds, gap, seed):
    when = np.random.default_rng(seed).permutation(rows)
    order = np.argsort(when)
    theirs = model_selection.TimeSeriesSplit(folds, gap=gap).split(order)
    for fold, (train, test) in zip(time_series(folds=folds, gap=gap)(visits(when)), theirs, strict=True):
        assert fold.train.tolist() == sorted(order[train])
        assert fold.test.tolist() == sorted(order[test])


def test_a_sliding_window_is_that_of_scikit_learn_with_the_size_of_the_first():
    theirs = model_selection.TimeSeriesSplit(4, max_train_size=5, gap=2).split(np.zeros(27))
    ours = time_series(window="sliding", gap=2)(visits(np.arange(27)))
    for fold, (train, test) in zip(ours, theirs, strict=True):
        assert np.array_equal(fold.train, train)
        assert np.array_equal(fold.test, test)


def test_rows_of_the_same_time_stay_together():
    # Ten rows: two folds test the last 3 and the 3 before, whose boundaries fall into the times 2 and 4.
    when = [0, 1, 1, 2, 2, 3, 4, 4, 4, 5]
    first, second = time_series(folds=2)(visits(when))
    assert (first.train.tolist(), first.test.tolist()) == ([0, 1, 2], [3, 4, 5])
    assert (second.train.tolist(), second.test.tolist()) == ([0, 1, 2, 3, 4, 5], [6, 7, 8, 9])


def test_the_latest_of_the_rows_before_the_test_part_validate():
    (fold,) = time_series(folds=1, valid=0.4)(visits([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    assert (fold.train.tolist(), fold.valid.tolist(), fold.test.tolist()) == (
        [0, 1, 2],
        [3, 4],
        [5, 6, 7, 8, 9],
    )


def test_valid_begins_with_the_first_row_of_its_time():
    (fold,) = time_series(folds=1, valid=0.2)(visits([0, 1, 2, 2, 2, 5, 6, 7, 8, 9]))
    assert (fold.train.tolist(), fold.valid.tolist()) == ([0, 1], [2, 3, 4])


def test_a_gap_of_rows_lies_before_the_valid_and_before_the_test_part():
    (fold,) = time_series(folds=1, valid=0.25, gap=2)(visits(np.arange(20)))
    assert fold.test.tolist() == list(range(10, 20))
    assert fold.valid.tolist() == [6, 7]
    assert fold.train.tolist() == [0, 1, 2, 3]


def test_a_gap_of_time_leaves_that_time_between_the_parts():
    days = pd.to_datetime("2026-03-01") + pd.to_timedelta(
        [0, 1, 2, 5, 6, 7, 10, 11, 12, 13, 14, 15], unit="D"
    )
    (fold,) = time_series(folds=1, gap="5d")(visits(days))
    assert fold.test.tolist() == [6, 7, 8, 9, 10, 11]
    assert fold.train.tolist() == [0, 1, 2, 3]  # the fourth is five days before the seventh
    (half,) = time_series(folds=1, gap="4.5d")(visits(days))
    assert half.train.tolist() == [0, 1, 2, 3]
    (hours,) = time_series(folds=1, gap="96 h")(visits(days))
    assert hours.train.tolist() == [0, 1, 2, 3, 4]
    (none,) = time_series(folds=1, gap="0d")(visits(days))
    assert none.train.tolist() == [0, 1, 2, 3, 4, 5]


def test_unlabelled_rows_later_than_the_training_rows_are_left_out():
    when = [0, 1, 2, 3, 4, 5, 0, 2, 3, 9]
    target = [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, None, None, None, None]
    (fold,) = time_series(folds=1)(visits(when, target))
    assert fold.train.tolist() == [0, 1, 2]
    assert fold.unlabelled.tolist() == [6, 7]


@pytest.mark.parametrize(
    ("changes", "when", "key", "rule"),
    [
        ({}, range(4), "split.folds", "visits has 4 rows of 4 distinct times, too few"),
        ({}, np.repeat([0, 1, 2], 10), "split.folds", "visits has 30 rows of 3 distinct times, too few"),
        ({"gap": 5}, range(20), "split.gap", "split.valid=0.0 leave fold 0 none of the 4 rows before"),
        (
            {"folds": 1, "valid": 0.2},
            [0] * 5 + [1, 2, 3, 4, 5],
            "split.gap",
            "leave fold 0 none of the 5 rows",
        ),
        (
            {"gap": "7d"},
            range(20),
            "split.gap",
            "a length of time, and column 'when' of visits holds numbers",
        ),
    ],
)
def test_rows_that_cannot_be_divided_so_are_refused(changes, when, key, rule):
    with pytest.raises(UserError) as caught:
        time_series(**changes)(visits(np.array(when)))
    assert rule in caught.value.rule
    assert caught.value.key == key


LENGTH = "gap must be a number of rows, or a length of time such as 7d or 36h, got "


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *[({"gap": gap}, f"{LENGTH}'{gap}'") for gap in ("a week", "-3d", "5", "7moons", "", "9999999999d")],
        ({"gap": -1}, "gap must be 0 or more, got -1"),
        ({"folds": 0}, "folds must be 1 or more, got 0"),
        ({"fold": 4}, "fold must be between 0 and 3 (there are 4 folds), got 4"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        time_series(**changes)
