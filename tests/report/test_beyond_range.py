"""harness/report/beyond_range.py"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from harness.core.table import Table as Rows
from harness.report.beyond_range import beyond_range
from harness.report.html.page_parts import Table, Text


def blocks(test: list[float], **features: Any) -> list[Any]:
    """Of four training rows with 1 to 4 in the column `size`, and these test rows."""
    frame = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0, *test], "kind": "x"}).assign(**features)
    parts = np.array([1] * 4 + [3] * len(test), dtype=np.uint8)
    table = Rows(frame, tuple(frame.columns))
    return beyond_range(SimpleNamespace(table=table, parts={0: parts}))  # type: ignore[arg-type]


def test_rows_and_values_beyond_the_training_range_are_counted() -> None:
    _, text, table = blocks([0.5, 9.0, 2.0, float("nan")])
    assert isinstance(text, Text)
    assert str(text.text).startswith("2 of 4 test rows")
    assert isinstance(table, Table)
    [[name, *cells]] = table.rows
    assert name == "size"
    assert [cell.sort for cell in cells] == [2, 0.5, 9.0]  # type: ignore[attr-defined]


def test_nothing_where_no_row_is_beyond() -> None:
    assert not blocks([1.0, 4.0])
    assert not beyond_range(SimpleNamespace(table=None, parts={}))  # type: ignore[arg-type]
