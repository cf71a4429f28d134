"""Dates: points in time as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.core.errors import UserError
from harness.core.table import DatePart
from harness.core.typed_override import typed

_PERIODS = {"month": 12, "day_of_week": 7, "hour": 24}
"""The parts that begin again, by the number of their values: December is next to January."""

_DAY = 86_400.0


def days(column: pd.Series) -> np.ndarray:
    """(N,) float64 days since 1970 by the clock of the column's time zone, NaN where missing.

    Raises:
        UserError: the column holds something else than dates.
    """
    return (_clock(column) - pd.Timestamp(0)).dt.total_seconds().to_numpy(dtype=np.float64) / _DAY


def width(parts: Sequence[DatePart], cyclic: bool) -> int:
    """How many arrays `numbers_of` makes of a date."""
    return len(parts) + (sum(part in _PERIODS for part in parts) if cyclic else 0)


def numbers_of(column: pd.Series, parts: Sequence[DatePart], cyclic: bool, origin: float) -> list[np.ndarray]:
    """(N,) float64 arrays, NaN where the date is missing.

    Args:
        column: dates.
        parts: the numbers made of each; "elapsed" is in days since `origin`, "day_of_week" 0 on Monday.
        cyclic: month, day of week and hour as sine and cosine of their angle, two arrays each.
        origin: in days since 1970.

    Raises:
        UserError: the column holds something else than dates.
    """
    clock = _clock(column)
    columns: list[np.ndarray] = []
    for part in parts:
        if part == "elapsed":
            columns.append(days(column) - origin)
            continue
        values = getattr(clock.dt, part).to_numpy(dtype=np.float64, na_value=np.nan)
        if cyclic and part in _PERIODS:
            angle = values * (2 * np.pi / _PERIODS[part])
            columns += [np.sin(angle), np.cos(angle)]
        else:
            columns.append(values)
    return columns


def _clock(column: pd.Series) -> pd.Series:
    """The column as dates and hours without a time zone."""
    try:
        if pd.api.types.is_numeric_dtype(column):
            raise TypeError
        dates = pd.to_datetime(column)
        if not pd.api.types.is_datetime64_any_dtype(dates):
            raise TypeError
    except (ValueError, TypeError):
        raise UserError(
            f"column {column.name!r} must hold dates, and holds {_strange(column)!r}",
            f"correct it, or leave it out with {typed('data.extract.drop', [str(column.name)])}",
        ) from None
    return dates.dt.tz_localize(None) if dates.dt.tz is not None else dates


def _strange(column: pd.Series) -> object:
    """The first value that is no date."""
    values = column.dropna()
    if not pd.api.types.is_numeric_dtype(values):
        unread = pd.to_datetime(values, errors="coerce", format="mixed").isna()
        values = values[unread] if unread.any() else values
    return values.tolist()[0]
