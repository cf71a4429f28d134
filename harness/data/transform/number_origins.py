"""Numbers far from zero: an origin is taken off before anything is computed with them.

Of integers such as 10**17 + 3 float64 loses the last digits, and a scaler takes for constant what varies by
less than the rounding of its mean. Their distance from the lowest training value has neither fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

_NEAR = 2.0**-24
"""A column is far from zero if its range is below this part of its largest value: constant in float32."""

_EXACT = 2.0**53

Origins = Mapping[str, float]
"""By column, or by position in an array, as text: what is taken off."""

Source = pd.DataFrame | np.ndarray


def find_origins(values: np.ndarray, names: Sequence[Any]) -> dict[str, float]:
    """The lowest value of each column that is far from zero; whole where it is an integer.

    Args:
        values: (N, F) float64, NaN where missing, at least one row.
        names: of the columns.
    """
    with np.errstate(invalid="ignore"):
        low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
        spread, largest = high - low, np.maximum(np.abs(low), np.abs(high))
        far = np.flatnonzero((spread > 0) & (spread < _NEAR * largest))
    return {str(names[place]): _whole(float(low[place])) for place in far.tolist()}


def without_origins(
    values: np.ndarray, source: Source, names: Sequence[Any], rows: np.ndarray | slice, origins: Origins
) -> np.ndarray:
    """The values with the origins taken off, in a new array where there are any.

    Args:
        values: (n, F) float64 of these rows.
        source: where they are from; integers are subtracted before they become float64.
        names: of the columns.
    """
    if not any(str(name) in origins for name in names):
        return values
    values = values.copy()
    for place, name in enumerate(names):
        origin = origins.get(str(name))
        if origin is not None:
            held = source[rows][:, name] if isinstance(source, np.ndarray) else source[name].iloc[rows]
            values[:, place] = without_origin(values[:, place], np.asarray(held), origin)
    return values


def without_origin(values: np.ndarray, held: np.ndarray, origin: float) -> np.ndarray:
    """(n,) float64: the column minus its origin.

    Args:
        values: (n,) float64.
        held: (n,) the same in the type of the source.
    """
    apart: np.ndarray = values - origin
    if held.dtype != np.int64 or not isinstance(origin, int):
        return apart
    with np.errstate(over="ignore"):
        return np.where(np.abs(apart) < _EXACT, held - np.int64(origin), apart)


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value
