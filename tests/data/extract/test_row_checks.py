import sys

import numpy as np
import pandas as pd
import pytest

from harness.core.errors import UserError
from harness.core.table import Table
from harness.data.extract.row_checks import finite, finite_array, require_rows


def table(**roles):
    columns = {
        "x": [1.0, 2.0, 3.0, 4.0],
        "id": ["a", "b", "b", "b"],
        "ward": ["A", "A", "A", None],
        "y": [np.nan] * 4,
        "z": [1.0, np.nan, 2.0, 1.0],
    }
    return Table(pd.DataFrame(columns), ("x",), name="visits", **roles)


def refuse(words, call, *arguments):
    with pytest.raises(UserError, match=words) as found:
        call(*arguments)
    assert str(found.value).count(". ") == 0


def test_an_id_that_names_several_rows_is_refused_with_how_many():
    refuse(
        "an id names one row, and column 'id' of visits holds 'b' 3 times; name another with "
        "data.extract.id=COLUMN, or make it data.extract.group=id if its rows belong together.",
        require_rows,
        table(id="id"),
    )


def test_events_of_a_sequence_share_an_id():
    require_rows(table(id="id", kind="sequence"))


def test_ids_may_be_missing_in_several_rows():
    frame = pd.DataFrame({"x": [1, 2, 3], "id": ["a", None, None]})
    require_rows(Table(frame, ("x",), id="id"))


def test_a_target_that_is_known_nowhere_is_refused():
    refuse(
        "a target must be known in some row, and 'y' of visits is known in none of 4; name another with "
        "data.extract.target=COLUMN, or learn without one by data.extract.target=null.",
        require_rows,
        table(target=("y",)),
    )


def test_several_targets_must_be_known_together_somewhere():
    require_rows(table(target=("x", "z")))
    refuse("'y' and 'z' of visits are known together in none of 4", require_rows, table(target=("y", "z")))


@pytest.mark.parametrize(("column", "found"), [("ward", "only 'A'"), ("y", "no value at all")])
def test_a_single_group_is_refused(column, found):
    refuse(
        f"a group role needs two groups or more, and column '{column}' of visits holds {found}; name another "
        "with data.extract.group=COLUMN, or remove it with data.extract.group=null.",
        require_rows,
        table(group=column),
    )


def test_a_group_may_be_the_id():
    frame = pd.DataFrame({"x": [1, 2], "id": [1, 2]})
    require_rows(Table(frame, ("x",), id="id", group="id"))


def test_an_infinite_value_is_refused_with_its_column_and_row():
    frame = pd.DataFrame({"n": [1, 2], "x": [1.0, 2.0], "dose": [np.nan, -np.inf]})
    refuse(
        "values must be finite, and column 'dose' of visits holds -inf in row 1; correct it, or count it as "
        "missing with data.extract.infinite=missing.",
        finite,
        frame,
        ["n", "x", "dose"],
        "visits",
        "error",
    )
    assert finite(frame, ["n", "x"], "visits", "error") is frame


def test_an_infinite_value_may_count_as_missing_and_the_frame_given_stays():
    frame = pd.DataFrame({"x": [1.0, np.inf, np.nan], "t": ["a", "b", "c"]})
    found = finite(frame, ["x", "t"], "visits", "missing")
    assert np.array_equal(found["x"], [1.0, np.nan, np.nan], equal_nan=True)
    assert frame["x"].tolist()[:2] == [1.0, np.inf]


def test_a_feature_beyond_float32_counts_as_infinite_and_a_target_does_not():
    frame = pd.DataFrame({"dose": [1.0, -1e40]})
    refuse(
        r"features must be at most 3.4e.38 in magnitude, the largest float32, and column 'dose' of visits "
        r"holds -1e.40 in row 1; correct it, or count it as missing with data.extract.infinite=missing.",
        finite,
        frame,
        ["dose"],
        "visits",
        "error",
    )
    found = finite(frame, ["dose"], "visits", "missing")
    assert np.array_equal(found["dose"], [1.0, np.nan], equal_nan=True)
    assert finite(frame, ["dose"], "visits", "error", largest=sys.float_info.max) is frame
    assert np.isnan(finite_array(frame.to_numpy(), "visits", "missing")[1, 0])


def test_nullable_columns_are_looked_at_as_well():
    frame = pd.DataFrame({"x": pd.array([1.0, None, np.inf], dtype="Float64")})
    refuse("holds inf in row 2", finite, frame, ["x"], "visits", "error")


def test_an_infinite_entry_of_an_array_is_refused_with_its_place():
    array = np.zeros((5000, 2, 3), dtype=np.float32)
    array[4999, 1, 2] = np.inf
    refuse(
        r"the features of visits hold inf in row 4999 at \[1, 2\]; correct it",
        finite_array,
        array,
        "visits",
        "error",
    )
    found = finite_array(array, "visits", "missing")
    assert np.isnan(found[4999, 1, 2])
    assert np.isnan(found).sum() == 1
    assert np.isinf(array[4999, 1, 2])


def test_a_finite_array_is_given_back_as_it_is():
    for array in (np.zeros((3, 2)), np.zeros((3, 2), dtype=np.uint8)):
        assert finite_array(array, "visits", "missing") is array
