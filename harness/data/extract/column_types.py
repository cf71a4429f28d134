"""Converts a column of a text file to the type that the user declares."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import pandas as pd

from harness.data.extract.number_format import NumberFormat

Type = Literal["int", "float", "text", "boolean", "category", "date"]

WORDS: dict[Type, str] = {
    "int": "whole numbers",
    "float": "numbers",
    "boolean": "true and false, yes and no, or 1 and 0",
    "date": "dates",
}
"""The name of a type in messages; text and categories accept any value."""

_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")

_SAMPLE = 10_000


def converted(
    column: pd.Series, kind: Type, numbers: NumberFormat, date_format: str | None
) -> tuple[pd.Series, int]:
    """The column as `kind`, and the row of the first value that cannot be converted, or -1.

    An int column with missing values is float64, a boolean one object, as pandas reads them.

    Args:
        column: (N,) texts, missing where the cell is; or numbers already.
        numbers: how numbers are written.
        date_format: as of `strptime`; None: ISO 8601.
    """
    if kind == "text":
        return column, -1
    if kind == "category":
        return column.astype("category"), -1
    if kind == "boolean":
        values = _booleans(column)
    elif kind == "date":
        values = dates(column, date_format)
    else:
        values = numbers.numbers(column, hexadecimal=kind == "int")
    wrong = (values.isna() & column.notna()).to_numpy()
    if kind == "int":
        wrong = wrong | (values.notna() & (values % 1 != 0)).to_numpy()  # nor is inf whole
        values = values if wrong.any() or values.hasnans else values.astype(np.int64)
    elif kind == "float":
        values = values.astype(np.float64)
    return values, int(wrong.argmax()) if wrong.any() else -1


def _booleans(column: pd.Series) -> pd.Series:
    words = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)
    booleans = column.str.strip().str.lower().astype(object).map(words)
    return booleans.astype(object) if booleans.hasnans else booleans.astype(bool)


def dates(column: pd.Series, date_format: str | None = None) -> pd.Series:
    """(N,) datetime64, in UTC if the texts have an offset; NaT for a text that is not a date."""
    form = date_format or "ISO8601"
    try:
        with warnings.catch_warnings():
            # Of several offsets, pandas 2 warns and returns objects; pandas 3 raises ValueError.
            warnings.filterwarnings(
                "error", "In a future version of pandas, parsing datetimes", FutureWarning
            )
            parsed = pd.to_datetime(column, format=form, errors="coerce")
    except (ValueError, FutureWarning):
        return pd.to_datetime(column, format=form, errors="coerce", utc=True)
    return parsed if getattr(parsed.dtype, "tz", None) is None else parsed.dt.tz_convert("UTC")


def number_or_text(column: pd.Series) -> pd.Series:
    """A text column as integers if all values keep their spelling: `7`, but not `007` or `7.0`.

    This makes a group name from a text file equal to the one from a typed database column.
    """
    known = column.dropna()
    if known.empty or not known.iloc[0].isascii() or not known.iloc[0].lstrip("-").isdigit():
        return column
    numbers = pd.to_numeric(known, errors="coerce")
    if numbers.dtype != np.int64 or not (numbers.astype(str) == known).all():
        return column
    return numbers if len(known) == len(column) else numbers.reindex(column.index)


def odd_row(column: pd.Series, numbers: NumberFormat) -> int:
    """The row of the first text in a text column most of whose values are numbers, else -1."""
    known = column.dropna()
    sample = known.iloc[:: max(1, len(known) // _SAMPLE)]
    if len(known) == 0 or numbers.numbers(sample).notna().mean() <= 0.5:
        return -1
    text = numbers.numbers(column).isna().to_numpy() & column.notna().to_numpy()
    return int(text.argmax()) if text.any() else -1
