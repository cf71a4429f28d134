"""What was understood of the columns of a table, a line for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from harness.console.text_format import aligned, fit_columns
from harness.core.name_list import listed
from harness.core.protocol import Transform
from harness.core.table import Table
from harness.data.cache.command_scope import current
from harness.data.transform.column_encodings import encodings

TITLES = ("column", "role", "type", "missing", "distinct", "values", "encoding", "features")

_MOST_COLUMNS = 50
_MOST_VALUES = 3
_LONGEST = 40
_PLAIN = ("feature", "kept")
_EXPENDABLE = {"features": 5, "encoding": 4, "distinct": 3, "values": 2, "missing": 1}
"""Titles of columns that a narrow screen leaves out; the highest number first."""


def column_table(table: Table, transform: Transform) -> list[list[str]]:
    """A line per column with its cells in the order of `TITLES`; [] where a row is no row of columns.

    Args:
        table: as extracted and arranged.
        transform: fitted.
    """
    if table.kind != "table" or table.array is not None or table.events is not None:
        return []
    chains = getattr(transform, "chains", None)
    encoded = {} if chains is None else encodings(chains)
    roles = (table.features, table.target, table.group, table.id, table.time)
    # The trials of a sweep mostly have the same columns.
    key = f"columns {table.digest} {table.types} {roles} {encoded}"
    return current().shared(key, lambda: _lines(table, encoded))


def _lines(table: Table, encoded: dict[str, tuple[str, int | None]]) -> list[list[str]]:
    # A wide table is cut, and what is no feature must not be: the target is often the last column.
    columns = sorted(map(str, table.frame.columns), key=lambda name: _role(table, name) in _PLAIN)
    lines = [_line(table, name, encoded) for name in columns[:_MOST_COLUMNS]]
    more = len(columns) - _MOST_COLUMNS
    return [*lines, [f"and {more} more", *[""] * (len(TITLES) - 1)]] if more > 0 else lines


def printed(lines: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """The table as aligned text, titles first; a last line names what `width` (in characters) leaves out."""
    rows = [TITLES, *lines] if lines else []
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    kept = list(range(len(widths)))
    if width is not None:
        kept = fit_columns(widths, [_EXPENDABLE.get(title, 0) for title in TITLES][: len(widths)], width)
    texts = [line.rstrip() for line in aligned([[row[place] for place in kept] for row in rows], kept)]
    dropped = [TITLES[place] for place in range(len(widths)) if place not in kept]
    return (
        [*texts, f"too narrow for: {listed(dropped, len(dropped))}; --json has all columns"]
        if dropped
        else texts
    )


def _line(table: Table, name: str, encodings: dict[str, tuple[str, int | None]]) -> list[str]:
    column = table.frame[name]
    known = column.dropna()
    try:
        distinct = f"{known.nunique():,}"
    except TypeError:  # lists and the like, which have no hash
        distinct = ""
    encoding, count = encodings.get(name, ("", None))
    if name in table.features and encodings and name not in encodings:
        encoding, count = "left out", 0
    shown = repr(name) if name != name.strip() else name
    return [
        shown,
        _role(table, name),
        _type(column),
        f"{len(column) - len(known):,}",
        distinct,
        "" if name in (table.id, table.group) else _values(known),  # they may name people
        encoding,
        "" if count is None else f"{count:,}",
    ]


def _role(table: Table, name: str) -> str:
    roles = {"group": table.group, "id": table.id, "time": table.time}
    names = ["target"] if name in table.target else []
    names += [role for role, column in roles.items() if column == name]
    names += ["feature"] if name in table.features else []
    return ", ".join(names) or "kept"


def _type(column: pd.Series) -> str:
    if column.isna().all():
        return "empty"
    if pd.api.types.is_bool_dtype(column):
        return "boolean"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    if pd.api.types.is_numeric_dtype(column):
        whole = pd.api.types.is_integer_dtype(column) or bool((column.dropna() % 1 == 0).all())
        return "whole number" if whole else "number"
    return "category" if isinstance(column.dtype, pd.CategoricalDtype) else "text"


def _values(known: pd.Series) -> str:
    """The range of numbers and dates, the most frequent of other values."""
    if known.empty:
        return ""
    kind = _type(known)
    if kind == "date":
        return f"{known.min()} to {known.max()}".replace(" 00:00:00", "")
    if kind in ("number", "whole number"):
        return f"{known.min():.6g} to {known.max():.6g}"
    try:
        counts: Any = known.astype(str).value_counts()
    except TypeError:
        return ""
    names = ", ".join(map(str, counts.index[:_MOST_VALUES]))
    text = names if len(names) <= _LONGEST else f"{names[: _LONGEST - 1]}…"
    return f"{text}, …" if len(counts) > _MOST_VALUES and not text.endswith("…") else text
