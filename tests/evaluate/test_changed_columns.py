"""harness/evaluate/changed_columns.py"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.core.table import Table
from harness.evaluate import changed_columns
from harness.evaluate.changed_columns import Change, changed, column_of, feature_names, together

FRAME = pd.DataFrame(
    {
        "whole": [1, 2, 3],
        "number": [0.5, np.nan, 2.5],
        "text": ["a", "b", None],
        "kind": pd.Categorical(["x", "y", "x"]),
        "flag": [True, False, True],
        "when": pd.date_range("2020-01-01", periods=3),
        "y": [0, 1, 0],
    }
)
TABLE = Table(FRAME, ("whole", "number", "text", "kind", "flag", "when"), ("y",))


def reversed_in(table: Table, name: str, rows: list[int]) -> Change:
    return Change(name, np.array(rows), column_of(table, name).array.take(rows[::-1]))


@pytest.mark.parametrize("name", TABLE.features)
def test_a_column_of_any_type_has_other_values_in_its_rows_alone(name: str) -> None:
    made = changed(TABLE, [reversed_in(TABLE, "whole", [0, 1]), reversed_in(TABLE, name, [2, 1, 0])])
    expected = FRAME.iloc[[0, 1, 2, 1, 0]].reset_index(drop=True)
    expected["whole"] = [2, 1, *(expected["whole"][2:] if name != "whole" else [1, 2, 3])]
    if name != "whole":
        expected.loc[[2, 3, 4], name] = FRAME[name].to_numpy()[[0, 1, 2]]
    pd.testing.assert_frame_equal(made.frame, expected)
    assert list(made.frame.dtypes) == list(FRAME.dtypes)
    assert made.task == TABLE.task
    assert FRAME["whole"].tolist() == [1, 2, 3]  # the source keeps its values


def test_a_feature_of_an_array() -> None:
    values = np.arange(6.0).reshape(3, 2)
    table = Table(FRAME[["y"]], (), ("y",), array=values)
    assert feature_names(table) == ["feature 0", "feature 1"]
    made = changed(table, [reversed_in(table, "feature 1", [0, 2]), reversed_in(table, "feature 0", [1, 2])])
    assert made.array is not None
    assert made.array.tolist() == [[0.0, 5.0], [4.0, 1.0], [4.0, 3.0], [2.0, 5.0]]
    assert values[0, 1] == 1.0


def test_no_table_is_larger_than_the_limit_unless_one_change_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed_columns, "_CELLS_AT_ONCE", 4 * len(TABLE.features))
    changes = [reversed_in(TABLE, "whole", rows) for rows in ([0, 1], [1, 2], [2], [0, 1, 2, 0, 1], [0])]
    groups = list(together(TABLE, changes))
    assert [len(table) for _, table in groups] == [4, 1, 5, 1]
    assert [change for group, _ in groups for change in group] == changes
    assert list(together(TABLE, [])) == []
