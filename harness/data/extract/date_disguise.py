"""Recognises texts that are dates: in ISO 8601, or in another order."""

from __future__ import annotations

import re
from datetime import datetime

import pandas as pd

from harness.core.errors import UserError
from harness.core.typed_override import typed

_ISO = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"

_SAMPLE = 2_000

_DAYS = (
    *(f"%d{mark}%m{mark}{year}" for year in ("%Y", "%y") for mark in "./-"),
    *(f"%m{mark}%d{mark}{year}" for year in ("%Y", "%y") for mark in "/-"),
    *("%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y"),
)
_HOURS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p")


def is_iso(column: pd.Series) -> bool:
    """Whether all known cells of a column of texts have the form of an ISO 8601 date, with a time or not."""
    known = column.dropna()
    return len(known) > 0 and bool(known.str.fullmatch(_ISO).all())


def date_formats(column: pd.Series) -> list[str]:
    """The formats, as of `strptime`, that read all cells of a column of texts; [] if they are no dates."""
    known = column.dropna()
    cells = known.iloc[:: max(1, len(known) // _SAMPLE)]
    if cells.empty or not re.search(r"\d[./ -]|\d, ", str(cells.iloc[0])):
        return []
    forms = [day + hour for day in _DAYS for hour in _HOURS]
    fitting = [form for form in forms if _fits(str(cells.iloc[0]), form)]
    return [form for form in fitting if pd.to_datetime(cells, format=form, errors="coerce").notna().all()]


def error(column: str, example: str, formats: list[str], dates: list[str], texts: list[str]) -> UserError:
    """The error for a column of dates in another order, with the settings that read them.

    Args:
        column: its name.
        example: a cell.
        formats: those that fit, one or more.
        dates, texts: the columns that are read so already.
    """
    form = " or ".join(typed("data.extract.date_format", form) for form in formats[:2])
    return UserError(
        f"column {column!r} holds dates that are not in ISO 8601, such as {example!r}",
        f"read them with {typed('data.extract.dates', [*dates, column])} and {form}, or keep them as text "
        f"with {typed('data.extract.texts', [*texts, column])}",
        key="data.extract.date_format",
    )


def _fits(cell: str, form: str) -> bool:
    try:
        datetime.strptime(cell, form)
    except ValueError:
        return False
    return True
