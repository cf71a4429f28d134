import datetime

import numpy as np
import pandas as pd
import pytest

from harness.core.errors import UserError
from harness.core.table import Table
from harness.split.row_times import moments


def visits(when) -> Table:
    return Table(pd.DataFrame({"x": range(len(when)), "when": when}), ("x",), time="when", name="visits")


@pytest.mark.parametrize("when", [[3, 1, 2], [0.5, -2.0, 0.25], pd.array([3, 1, 2], dtype="Int64")])
def test_numbers_are_taken_as_they_are(when):
    assert moments(visits(when)).tolist() == list(when)


@pytest.mark.parametrize(
    "when",
    [
        ["2026-03-02", "2026-03-01", "2026-03-02T09:30"],
        pd.to_datetime(["2026-03-02T00:00", "2026-03-01T00:00", "2026-03-02T09:30"]),
        [datetime.datetime(2026, 3, 2), datetime.datetime(2026, 3, 1), datetime.datetime(2026, 3, 2, 9, 30)],
        pd.Categorical(["2026-03-02", "2026-03-01", "2026-03-02T09:30"]),
    ],
    ids=["text", "datetime64", "datetime", "category"],
)
def test_dates_may_be_text_or_dates(when):
    expected = np.array(["2026-03-02", "2026-03-01", "2026-03-02T09:30"], dtype="datetime64[s]")
    assert (moments(visits(when)) == expected).all()


def test_days_are_dates():
    found = moments(visits([datetime.date(2026, 3, 2), datetime.date(2026, 3, 1)]))
    assert (found == np.array(["2026-03-02", "2026-03-01"], dtype="datetime64[D]")).all()


def test_zones_are_distinguished():
    late, early = moments(visits(["2026-03-01T10:00+00:00", "2026-03-01T10:30+01:00"]))
    assert late - early == np.timedelta64(30, "m")


def test_a_table_without_time_is_refused():
    words = r"data set table has no time column; name it with data.extract.time=COLUMN."
    with pytest.raises(UserError, match=words):
        moments(Table(pd.DataFrame({"x": [1]}), ("x",)))


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        ([1.0, None, None], "a time in every row, and column 'when' of visits is empty in 2 of them"),
        (
            [3, "late", 2],
            "and column 'when' of visits holds int and str, which cannot be ordered; correct it",
        ),
        ([True, False, True], "holds bool, which cannot be ordered"),
        ([[1], [2]], "holds list, which cannot be ordered"),
        (["2026-03-01", "yesterday"], "written as 2026-03-01 .* of visits holds 'yesterday'; correct it"),
    ],
    ids=str,
)
def test_times_that_cannot_be_ordered_are_refused(when, sentence):
    with pytest.raises(UserError, match=sentence):
        moments(visits(when))
