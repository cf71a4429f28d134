"""The range of each column of numbers in the training rows, and which new values are beyond it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from harness.data.transform.column_values import numbers

Ranges = Mapping[str, Sequence[float]]
"""By column: the lowest and the highest value."""


def find_ranges(values: np.ndarray, names: Sequence[str]) -> dict[str, list[float]]:
    """The ranges of the columns of (n, F) float64, NaN where missing; each has a value."""
    low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    return {name: [float(low[place]), float(high[place])] for place, name in enumerate(names)}


def beyond(frame: pd.DataFrame, ranges: Ranges) -> pd.DataFrame:
    """(n, F) bool: which values are below the lowest or above the highest training value of their column.

    A value that is missing, infinite or beyond float32 is not: it is filled as in training.

    Raises:
        UserError: a column holds text.
    """
    names = [name for name in ranges if name in frame.columns]
    if not names:
        return pd.DataFrame(index=frame.index)
    values = numbers(frame[names])
    ends = np.array([ranges[name] for name in names], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        outside = (values < ends[:, 0]) | (values > ends[:, 1])
    return pd.DataFrame(outside, columns=names, index=frame.index)
