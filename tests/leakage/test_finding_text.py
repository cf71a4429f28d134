import numpy as np
import pandas as pd
import pytest

from harness.core.name_list import counted
from harness.core.table import Table
from harness.leakage.finding_text import among, codes, dropping, quoted, row, verb


def test_names_are_quoted_as_text():
    assert quoted([1, "it's"]) == "'1' and \"it's\""


@pytest.mark.parametrize(
    ("names", "override"),
    [
        (["a", "b"], "'data.extract.drop=[a,b]'"),
        (["first name", "größe"], """'data.extract.drop=["first name","größe"]'"""),
        (["it's"], """'data.extract.drop=["it'"'"'s"]'"""),
        (["x"] * 22, f"'data.extract.drop=[{','.join(['x'] * 20)}]' and 2 more"),
    ],
)
def test_columns_are_dropped_by_an_override_that_can_be_typed(names: list[str], override: str) -> None:
    assert dropping(names) == override


def test_words_agree_with_their_number():
    assert [counted(1, "row"), counted(2, "row"), verb(1, "hold"), verb(2, "hold")] == [
        "1 row",
        "2 rows",
        "holds",
        "hold",
    ]
    assert [among(1, 1), among(1, 3)] == ["", " in 1 of 3 folds"]


def test_a_row_is_named_by_its_id_or_its_position():
    frame = pd.DataFrame({"x": [0, 1], "visit": ["v7", "v8"]})
    assert row(Table(frame, ("x",)), 1) == "row 1"
    assert row(Table(frame, ("x",), id="visit"), 1) == "visit 'v8'"


def test_values_are_numbered_as_they_appear_and_missing_ones_are_negative():
    numbers, values = codes(pd.Series(["b", None, "a", "b"]))
    assert (numbers.tolist(), values.tolist()) == ([0, -1, 1, 0], ["b", "a"])
    assert codes(pd.Series([[1], [2], [1]]))[0].tolist() == [0, 1, 0]
    assert codes(np.array([2.5, np.nan]))[0].dtype == np.int64
