import numpy as np
import pandas as pd
import pytest

from harness.data.transform.columns import numbers, select
from harness.errors import UserError
from harness.table import Table


def test_what_is_missing_infinite_or_beyond_float32_is_nan():
    frame = pd.DataFrame({"a": [1.0, np.inf, 1e39], "b": pd.array([2, None, 3], dtype="Int64")})
    expected = [[1, 2], [np.nan, np.nan], [np.nan, 3]]
    assert np.array_equal(numbers(frame), expected, equal_nan=True)


def test_a_column_of_numbers_written_as_text_is_read():
    assert numbers(pd.DataFrame({"a": ["1", None, "2.5"]}))[[0, 2], 0].tolist() == [1, 2.5]


def test_text_is_refused_with_the_name_of_its_column():
    with pytest.raises(
        UserError, match=r"column 'a' must hold numbers, and holds text; .* data.extract.drop"
    ):
        numbers(pd.DataFrame({"a": ["1", "one"]}))


def test_columns_are_selected_in_the_order_asked_for():
    table = Table(pd.DataFrame({"a": [1], "b": [2]}), ("a", "b"))
    assert list(select(table, ["b", "a"]).columns) == ["b", "a"]
