"""Which rows are to be split, and what class each of them is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.table import Table


def divide(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """The rows to split and the unlabelled ones, each (n,) int64 and sorted.

    Without a target every row is split and none counts as unlabelled.

    Raises:
        UserError: the target is no task, for example has a single value (`Table.task`).
    """
    if not table.task.labelled:
        return np.arange(len(table)), np.empty(0, dtype=np.int64)
    return np.flatnonzero(table.labelled), np.flatnonzero(~table.labelled)


def classes(table: Table, rows: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """(n,) int64 class codes of labelled `rows`, and the name of each code."""
    codes, values = pd.factorize(table.labels.iloc[rows])
    return codes, [str(value).removesuffix(".0") for value in values]
