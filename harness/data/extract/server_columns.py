"""Converts rows of a server's answer to columns with the dtypes that pandas uses for files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd

from harness.core.errors import UnknownName, UserError
from harness.core.typed_override import typed
from harness.data.extract.column_types import dates, number_or_text

_KINDS: tuple[tuple[type, str], ...] = (
    # bool before int and datetime before date, which are their parents
    (bool, "a truth value"),
    (int, "a number"),
    (float, "a number"),
    (Decimal, "a number"),
    (str, "text"),
    (UUID, "text"),
    (time, "text"),
    (bytes, "bytes"),
    (bytearray, "bytes"),
    (memoryview, "bytes"),
    (datetime, "a date"),
    (date, "a date"),
    (timedelta, "a duration"),
)


class Columns:
    """Collects rows chunk by chunk and converts each chunk at once, so that no list of Python objects is
    longer than a chunk.

    Whole numbers become int64, or float64 where one is missing; numerics and decimals float64; truth
    values bool, or objects where one is missing; dates datetime64[us], in UTC where they have a time
    zone; bytes stay bytes; the rest is text. A column without any value is float64.

    Args:
        keys: columns that name rows or groups: numbers where they are written as whole numbers, so
            that they are the same from every source; see `number_or_text`.
        dates: columns whose text is read as dates in ISO 8601.
        drop: columns that are dropped later; their values are neither kept nor checked.
        place: the source of the rows, for messages.
        separator: the text between a nested object and its field in a column name; None: no nesting.
    """

    def __init__(
        self,
        *,
        keys: Collection[str | None],
        dates: Collection[str],
        drop: Collection[str],
        place: str,
        separator: str | None = None,
    ) -> None:
        self._keys, self._dates, self._drop = keys, dates, drop
        self._place, self._separator = place, separator
        self._pieces: dict[str, list[pd.Series | int]] = {}
        self._kinds: dict[str, tuple[str, Any]] = {}
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def append(self, names: Sequence[str], columns: Sequence[Sequence[Any]], rows: int) -> None:
        """Takes `rows` rows; a new column is missing in earlier rows, an absent column in these.

        Raises:
            UserError: a column that mixes types, or a value that is a list or an object.
        """
        for name, values in zip(names, columns, strict=True):
            pieces = self._pieces.setdefault(name, [self._rows] if self._rows else [])
            pieces.append(rows if name in self._drop else self._piece(name, values))
        for name in self._pieces.keys() - set(names):
            self._pieces[name].append(rows)
        self._rows += rows

    def frame(self, id: str | None) -> pd.DataFrame:
        """All rows, in the order of the id column where there is one: equal ids in order of arrival,
        missing ids last. Call it once.

        Raises:
            UserError: `dates` names a column that is not there, or holds other text.
        """
        for name in self._dates:
            if name not in self._pieces:
                raise UnknownName(
                    f"data.extract.dates names the column {name!r}, which {self._place} does not give",
                    name,
                    self._pieces,
                    key="data.extract.dates",
                )
        names = [name for name in self._pieces if not self._is_missing_object(name)]
        # Column by column, so that only one column exists twice at a time.
        frame = pd.DataFrame({name: self._whole(name) for name in names}, copy=False)
        if id is None or id not in frame.columns or frame[id].is_monotonic_increasing:
            return frame
        ordered: pd.DataFrame = frame.sort_values(id, kind="stable", ignore_index=True)
        return ordered

    def _is_missing_object(self, name: str) -> bool:
        """A nested object that is missing in some rows, where other rows have its fields as `name.field`."""
        if self._separator is None or not all(isinstance(piece, int) for piece in self._pieces[name]):
            return False
        return any(other.startswith(f"{name}{self._separator}") for other in self._pieces)

    def _whole(self, name: str) -> pd.Series:
        column = _joined(self._pieces.pop(name))
        if name not in self._kinds or self._kinds[name][0] != "text":
            return column
        if name in self._dates:
            return self._parsed(column, name)
        return number_or_text(column) if name in self._keys else column

    def _parsed(self, column: pd.Series, name: str) -> pd.Series:
        parsed = dates(column, None)
        wrong = (parsed.isna() & column.notna()).to_numpy()
        if wrong.any():
            raise UserError(
                f"data.extract.dates names the column {name!r}, which holds "
                f"{_shown(column.iloc[int(wrong.argmax())])}, and a date is written 2026-01-31 or "
                "2026-01-31T08:00:00",
                "take it out of data.extract.dates",
                key="data.extract.dates",
            )
        return parsed

    def _piece(self, name: str, values: Sequence[Any]) -> pd.Series | int:
        types = set(map(type, values)) - {type(None)}
        if not types:
            return len(values)
        for one_type in types:
            self._require_one_kind(name, next(value for value in values if type(value) is one_type))
        kind = self._kinds[name][0]
        if "date" in kind:
            for value in values:
                if value is not None:
                    self._require_one_kind(name, value)
        return _converted(kind, types, values)

    def _require_one_kind(self, name: str, value: Any) -> None:
        kind = _kind(value)
        if kind is None:
            raise UserError(
                f"{self._place} gives {_shown(value)} in column {name!r}, and a cell must be one number, "
                "text, date or truth value",
                f"turn it into text in the query, or leave it out with {typed('data.extract.drop', [name])}",
            )
        before, example = self._kinds.setdefault(name, (kind, value))
        if kind != before:
            raise UserError(
                f"{self._place} mixes types in column {name!r}, {_shown(example)} and {_shown(value)}",
                f"cast it to one in the query, or leave it out with {typed('data.extract.drop', [name])}",
            )


def _kind(value: Any) -> str | None:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return "a date with a time zone"
    return next((kind for parent, kind in _KINDS if isinstance(value, parent)), None)


def _converted(kind: str, types: set[type], values: Sequence[Any]) -> pd.Series:
    missing = None in values if kind in ("a number", "a truth value") else False
    if kind == "a number":
        return pd.Series(_numbers(values, whole=types == {int} and not missing))
    if kind == "a truth value":
        filled = [np.nan if value is None else value for value in values]
        return pd.Series(filled, dtype=object if missing else bool)
    if kind == "bytes":
        return pd.Series([None if value is None else bytes(value) for value in values], dtype=object)
    if kind == "a date with a time zone":
        return pd.to_datetime(pd.Series(values, dtype=object), utc=True).astype("datetime64[us, UTC]")
    if kind == "a date":
        return pd.to_datetime(pd.Series(values, dtype=object)).astype("datetime64[us]")
    if kind == "a duration":
        return pd.Series(pd.to_timedelta(list(values))).astype("timedelta64[us]")
    return pd.Series([None if value is None else str(value) for value in values], dtype="str")


def _numbers(values: Sequence[Any], whole: bool) -> np.ndarray:
    try:
        return np.array(values, dtype=np.int64 if whole else np.float64)
    except OverflowError:  # beyond 64 bits
        return np.array(values, dtype=np.float64)


def _joined(pieces: list[pd.Series | int]) -> pd.Series:
    """Joins the chunks of a column; an int stands for that many missing values."""
    known = [piece for piece in pieces if isinstance(piece, pd.Series)]
    if not known:
        return pd.Series(np.full(sum(pieces), np.nan))  # type: ignore[arg-type]
    if len(known) == len(pieces) == 1:
        return known[0]
    dtype = known[0].dtype
    if dtype in (np.dtype(np.int64), np.dtype(bool)):
        dtype = np.dtype(np.float64 if dtype == np.int64 else object)
    filled = [
        piece if isinstance(piece, pd.Series) else pd.Series([np.nan] * piece, dtype=dtype)
        for piece in pieces
    ]
    return pd.concat(filled, ignore_index=True)


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:40]}…"
