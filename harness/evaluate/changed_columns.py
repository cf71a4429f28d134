"""Rows of a table in which one column has other values, for many columns in one table.

To transform and predict a few rows takes as long as some hundreds, so the changes of all columns are
rows of one table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from harness.core.table import Table

_CELLS_AT_ONCE = 2**19
"""Rows x features of a table: 4 MB of numbers, and as a part of it one-hot rarely above 100 MB."""


@dataclass(frozen=True)
class Change:
    """Rows of a table with other values in one column.

    column  of the features, by `feature_names`
    rows    (m,) int64 positions
    values  (m,) of the type of the column, as of `column_of`
    """

    column: str
    rows: np.ndarray
    values: ExtensionArray


def feature_names(table: Table) -> list[str]:
    """The raw columns; of an array "feature 0" and so on."""
    if table.array is None:
        return list(table.features)
    return [f"feature {place}" for place in range(table.array.shape[1])]


def column_of(table: Table, name: str) -> pd.Series:
    """The values of a raw column."""
    if table.array is None:
        return table.frame[name]
    return pd.Series(table.array[:, _place(name)])


def together(table: Table, changes: Sequence[Change]) -> Iterator[tuple[list[Change], Table]]:
    """The changed rows, as few tables as the memory allows: the rows of its first change, and so on."""
    most = max(1, _CELLS_AT_ONCE // max(1, len(feature_names(table))))
    group: list[Change] = []
    for change in changes:
        if group and sum(len(each.rows) for each in group) + len(change.rows) > most:
            yield group, changed(table, group)
            group = []
        group.append(change)
    if group:
        yield group, changed(table, group)


def changed(table: Table, changes: Sequence[Change]) -> Table:
    """The rows of all changes, one after another, with the task of `table`."""
    made = table.with_rows(np.concatenate([change.rows for change in changes]))
    frame, array = made.frame, made.array
    ends = np.cumsum([len(change.rows) for change in changes])
    for change, end in zip(changes, ends, strict=True):
        rows = slice(end - len(change.rows), end)
        if array is None:
            values = frame[change.column].array.copy()
            values[rows] = change.values
            frame[change.column] = values
        else:
            array[rows, _place(change.column)] = change.values
    return made


def _place(name: str) -> int:
    return int(name.removeprefix("feature "))
