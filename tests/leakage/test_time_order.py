import numpy as np
import pandas as pd
import pytest

from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage.time_order import find_later_training_rows

DAYS = ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04T08:00"]


def fold(train, valid, test) -> Fold:
    return Fold(0, *(np.array(part, dtype=np.int64) for part in (train, valid, test)))


def table(times, time="day") -> Table:
    return Table(pd.DataFrame({"x": range(len(times)), "day": times}), ("x",), time=time)


def test_a_training_row_later_than_a_test_row_breaks_the_promise_of_a_timed_split():
    found = find_later_training_rows(table(DAYS), [fold([0, 3], [2], [1])], timed=True, split="mine")
    assert (found.check, found.severity) == ("order", "error")
    assert found.sentence == (
        "2 training rows are later than the earliest test row by 'day', such as row 3 than row 1, and "
        "split=mine promises that none is; correct the split, or use split=time_series."
    )


def test_under_another_split_it_is_a_warning_that_names_the_split_to_use():
    found = find_later_training_rows(
        table(DAYS), [fold([0, 3], [], [1, 2]), fold([0], [], [1])], timed=False, split="kfold"
    )
    assert found.severity == "warning"
    assert found.sentence == (
        "1 training row in 1 of 2 folds is later than the earliest test row by 'day', such as row 3 "
        "than row 1, "
        "so the past is predicted from the future; use split=time_series, or remove the role with "
        "data.extract.time=null if time does not matter."
    )


@pytest.mark.parametrize(
    "times",
    [
        DAYS,
        [1, 2, 3, 10],
        [0.5, 1.5, 2.5, 10.0],
        pd.to_datetime(DAYS, format="ISO8601"),
        pd.Categorical(DAYS, categories=DAYS[::-1]),
        [
            "2026-01-01T00:00+01:00",
            "2026-01-01T00:00+00:00",
            "2026-01-01T00:00-01:00",
            "2026-01-01T00:00-02:00",
        ],
    ],
)
def test_numbers_dates_and_text_of_dates_are_ordered(times):
    forward = find_later_training_rows(
        table(times), [fold([0, 1], [2], [3])], timed=True, split="time_series"
    )
    assert (forward.severity, forward.sentence) == (
        "fine",
        "No training row is later than a test row by 'day'.",
    )
    assert (
        find_later_training_rows(table(times), [fold([0, 1], [3], [2])], timed=True, split="x").severity
        == "error"
    )


def test_rows_of_the_same_time_are_not_later():
    assert (
        find_later_training_rows(
            table([1, 2, 2, 2]), [fold([0, 1], [2], [3])], timed=True, split="x"
        ).severity
        == "fine"
    )


def test_a_row_without_a_time_is_neither_early_nor_late():
    assert (
        find_later_training_rows(
            table([1.0, np.nan, 2.0]), [fold([0, 1], [], [2])], timed=True, split="x"
        ).severity
        == "fine"
    )
    assert (
        find_later_training_rows(
            table([1.0, 2.0, np.nan]), [fold([0, 1], [], [2])], timed=True, split="x"
        ).severity
        == "fine"
    )


def test_without_a_time_column_a_timed_split_is_held_to_the_order_of_the_rows():
    found = find_later_training_rows(
        table(DAYS, time=None), [fold([0, 2], [], [1])], timed=True, split="mine"
    )
    assert found.severity == "error"
    assert (
        "later than the earliest test row by their order in the table, such as row 2 than row 1"
        in found.sentence
    )


@pytest.mark.parametrize("times", [["spring", "summer"], ["3/4/2026", "4/4/2026"], ["2026-01-01", 3]])
def test_times_without_an_order_are_reported_as_such(times):
    found = find_later_training_rows(table(times), [fold([1], [], [0])], timed=False, split="kfold")
    assert (found.severity, found.sentence) == (
        "warning",
        "the times in column 'day' are neither numbers nor ISO dates, so it is unknown whether "
        "training rows are later than test rows; read the column as dates with 'data.extract.dates=[day]', "
        "or "
        "remove the role with data.extract.time=null.",
    )
