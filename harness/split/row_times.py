"""When each row was taken, as numbers or dates that can be ordered."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.core.errors import UserError
from harness.core.table import Table

_REMEDY = "correct it, or name another with data.extract.time=COLUMN."
_NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")
_DATES = ("datetime64", "datetime", "date")


def moments(table: Table) -> np.ndarray:
    """(N,) the time of each row: int64 or float64 numbers, or datetime64 (UTC where it has time zones).

    Text is read as dates of ISO 8601, such as 2026-03-01 or 2026-03-01T09:30.

    Raises:
        UserError: the table has no time column, a row has no time, or the times cannot be ordered.
    """
    if table.time is None:
        raise UserError(
            f"a split by time needs to know when each row was taken, and data set {table.name} has no time "
            "column",
            "name it with data.extract.time=COLUMN",
            key="data.extract.time",
        )
    column = table.frame[table.time]
    missing = int(column.isna().sum())
    if missing:
        raise UserError(
            f"a split by time needs a time in every row, and column {table.time!r} of {table.name} is empty "
            f"in {missing} of them",
            "fill it in, or name another with data.extract.time=COLUMN",
            key="data.extract.time",
        )
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    kind = pd.api.types.infer_dtype(column)
    if kind == "integer":
        return column.to_numpy(dtype=np.int64)
    if kind in _NUMBERS:
        return column.to_numpy(dtype=np.float64)
    if kind in _DATES or kind == "string":
        return _dates(column, table)
    raise UserError(
        f"a split by time needs numbers or dates, and column {table.time!r} of {table.name} holds "
        f"{_kinds(column)}, which cannot be ordered",
        _REMEDY,
        key="data.extract.time",
    )


def _dates(column: pd.Series, table: Table) -> np.ndarray:
    try:
        parsed = pd.to_datetime(column, format="ISO8601", utc=True)
    except (ValueError, TypeError):
        odd = column[pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce").isna()]
        raise UserError(
            "a split by time needs numbers or dates written as 2026-03-01 or 2026-03-01T09:30, and column "
            f"{table.time!r} of {table.name} holds {str(odd.iloc[0])!r}",
            _REMEDY,
            key="data.extract.time",
        ) from None
    return parsed.dt.tz_localize(None).to_numpy()


def _kinds(column: pd.Series) -> str:
    """The types of the values, as in `int and str`."""
    return " and ".join(sorted({type(value).__name__ for value in column}))
