import numpy as np
import pandas as pd
import pytest

from harness.core.errors import UserError
from harness.data.transform.column_values import numbers, require, texts


def test_what_is_missing_infinite_or_beyond_float32_is_nan():
    frame = pd.DataFrame({"a": [1.0, np.inf, 1e39], "b": pd.array([2, None, 3], dtype="Int64")})
    expected = [[1, 2], [np.nan, np.nan], [np.nan, 3]]
    assert np.array_equal(numbers(frame), expected, equal_nan=True)


def test_a_column_of_numbers_written_as_text_is_read():
    assert numbers(pd.DataFrame({"a": ["1", None, "2.5"]}))[[0, 2], 0].tolist() == [1, 2.5]


def test_text_is_refused_with_the_name_of_its_column():
    with pytest.raises(
        UserError, match=r"column 'a' must hold numbers, and holds text; .* .data.extract.drop=\[a\]"
    ):
        numbers(pd.DataFrame({"a": ["1", "one"]}))


def test_a_column_that_is_not_there_is_named_with_the_near_miss():
    with pytest.raises(UserError, match=r"visits lacks the column 'age', .*; did you mean ages\?"):
        require(pd.DataFrame({"ages": [1]}), ["age"], "visits")


def test_a_frame_of_numbers_alone_is_not_copied():
    values = np.random.default_rng(0).normal(size=(5, 3))
    assert np.shares_memory(numbers(pd.DataFrame(values, copy=False)), values)


def test_a_frame_with_an_infinite_number_is_left_as_it_was():
    frame = pd.DataFrame({"a": [1.0, np.inf]})
    assert np.isnan(numbers(frame)[1, 0])
    assert np.isinf(frame["a"][1])


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["b", None, "a"], ["b", None, "a"]),
        (pd.array(["b", None, "a"], dtype="string"), ["b", None, "a"]),
        ([True, False], ["True", "False"]),
        (pd.array([True, None, False], dtype="boolean"), ["True", None, "False"]),
        (np.array([True, None, False], dtype=object), ["True", None, "False"]),
        (pd.Categorical([3, None, 1]), ["3", None, "1"]),
        (np.array([1, 1.0, True, "1", None], dtype=object), ["1", "1.0", "True", "1", None]),
        ([1.5, np.nan], ["1.5", None]),
    ],
    ids=["object", "string", "bool", "boolean", "object bool", "category", "mixed", "float"],
)
def test_every_value_is_returned_as_text_and_what_is_missing_as_nan(column, expected):
    found = texts(pd.Series(column))
    assert found.dtype == object
    assert [None if pd.isna(value) else value for value in found] == expected
