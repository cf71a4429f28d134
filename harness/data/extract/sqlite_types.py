"""Converts SQLite values to their declared types: SQLite stores booleans as numbers and dates as text."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import date, datetime
from typing import Any


def register() -> None:
    """Has sqlite3 read columns declared BOOLEAN, DATE, DATETIME and TIMESTAMP with these types.

    sqlite3 keeps one list of converters per process, which only connections with `detect_types` use.
    Those of DATE and TIMESTAMP take the place of Python's own, which are deprecated.
    """
    converters: dict[str, Callable[[bytes], Any]] = {
        "BOOL": _truth,
        "BOOLEAN": _truth,
        "DATE": _date,
        "DATETIME": _moment,
        "TIMESTAMP": _moment,
    }
    for name, converter in converters.items():
        sqlite3.register_converter(name, converter)


_TRUTH = {b"1": True, b"0": False, b"true": True, b"false": False}


def _truth(raw: bytes) -> Any:
    """A number other than 0 and 1 is unchanged; the column then has mixed types and is refused."""
    text = raw.decode()
    return _TRUTH.get(raw.lower(), int(text) if text.lstrip("-").isdigit() else text)


def _date(raw: bytes) -> Any:
    try:
        return date.fromisoformat(raw.decode())
    except ValueError:
        return _moment(raw)


def _moment(raw: bytes) -> Any:
    try:
        return datetime.fromisoformat(raw.decode())
    except ValueError:
        return raw.decode()  # a number or a text that only the user can read
