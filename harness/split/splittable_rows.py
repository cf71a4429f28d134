"""Which rows are to be split, and what class each of them is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.core.errors import UserError
from harness.core.name_list import listed
from harness.core.table import Table


def divide(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """The rows to split and the unlabelled ones, each (n,) int64 and sorted.

    Without a target every row is split and none counts as unlabelled.

    Raises:
        UserError: the target is no task, for example has a single value (`Table.task`).
    """
    if not table.task.labelled:
        return np.arange(len(table)), np.empty(0, dtype=np.int64)
    labelled = table.labelled
    return np.flatnonzero(labelled), np.flatnonzero(~labelled)


def classes(table: Table, rows: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """(n,) int64 class codes of labelled `rows`, and the name of each code."""
    codes, values = pd.factorize(table.labels.iloc[rows])
    return codes, [str(value).removesuffix(".0") for value in values]


def strata(table: Table, rows: np.ndarray, stratify: bool) -> np.ndarray:
    """(n,) int64: the class codes of `rows`; all zero where there are none, or `stratify` is false."""
    if stratify and table.task.classification:
        return classes(table, rows)[0]
    return np.zeros(len(rows), dtype=np.int64)


def require_classes(table: Table, split: str, instead: str) -> None:
    """Raise UserError unless each row of the table has one class, which `split` needs."""
    target = table.labels.name
    if table.task.classification:
        return
    what = f"target {target!r} of {table.name} is a number"
    if len(table.target) > 1:
        what = f"targets of {table.name} are several, {listed(table.target, most=10)}"
    raise UserError(
        f"split={split} needs one class for each row, and the {what}", f"use split={instead}", key="split"
    )


def require_class_size(
    table: Table, codes: np.ndarray, names: list[str], folds: int, instead: str = "split=kfold"
) -> None:
    """Raise UserError where a class has fewer rows than there are folds."""
    counts = np.bincount(codes)
    rarest = int(counts.argmin())
    if counts[rarest] < folds:
        raise UserError(
            f"split.folds={folds} needs as many rows of each class, and class {names[rarest]!r} of "
            f"{table.name} has {counts[rarest]}",
            f"lower split.folds, or use {instead}",
            key="split.folds",
        )
