"""Notes on test values far beyond the range of their training rows, such as a misplaced decimal point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from omegaconf import DictConfig

from harness.core.fold import Fold
from harness.core.table import Table
from harness.data.transform.column_values import is_number, numbers

_BOUNDS = {
    f"harness.data.transform.number_scaling.{name}" for name in ("TrainingRange", "SmoothClip", "Quantiles")
}
"""Parts of `data.transform.numeric` with bounded results; by name, since scikit-learn is slow to import."""

_MOST_CELLS = 100_000_000
"""Rows x columns x folds up to which the ranges are compared: a second or so."""


def is_bounded(transform: DictConfig) -> bool:
    """Whether one of the transform's `numeric` parts maps all numbers to a range known from training."""
    return any(part.get("_target_") in _BOUNDS for part in transform.get("numeric") or [])


def range_notes(table: Table, folds: Sequence[Fold], bounded: bool) -> list[str]:
    """A sentence for each column of numbers with a test value at least a whole range beyond the training
    range.

    A network extrapolates from such a value without bound unless the transform bounds it. Empty of arrays,
    images and very large tables.

    Args:
        bounded: whether it does, see `is_bounded`.
    """
    if table.array is not None or table.kind != "table":
        return []
    names = [name for name in table.features if is_number(table.frame[name])]
    if len(table) * len(names) * len(folds) > _MOST_CELLS:
        return []
    return [note for name in names if (note := _note(table, name, folds, bounded))]


def _note(table: Table, name: str, folds: Sequence[Fold], bounded: bool) -> str:
    values = numbers(table.frame[[name]])[:, 0]
    far_rows: dict[int, tuple[float, float]] = {}
    for fold in folds:
        learned = values[fold.train]
        if np.isnan(learned).all():
            continue
        low, high = float(np.nanmin(learned)), float(np.nanmax(learned))
        with np.errstate(invalid="ignore"):
            far = np.abs(values[fold.test] - (low + high) / 2) > 1.5 * (high - low)
        if high > low:
            far_rows |= dict.fromkeys(fold.test[far].tolist(), (low, high))
    if not far_rows:
        return ""
    row, (low, high) = max(far_rows.items(), key=lambda one: abs(values[one[0]]))
    remedy = (
        "the prediction stays bounded, but correct the value if it is wrong"
        if bounded
        else "correct the value, or bound it with data/transform/numeric=bounded"
    )
    are = "row is" if len(far_rows) == 1 else "rows are"
    return (
        f"in column {name!r}, {len(far_rows):,} test {are} far beyond the training range {low:g} … {high:g}, "
        f"such as {values[row]:g} in row {row:,}; {remedy}"
    )
