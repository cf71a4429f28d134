"""Words that usually name the parts of a data set that was divided in advance, and columns of them."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from harness.core.table import Table

PART_WORDS = {
    "train": ("train", "training"),
    "valid": ("valid", "val", "validation", "dev"),
    "test": ("test", "testing"),
}
"""Part -> its usual words, in lower case."""

_PARTS = {word: part for part, words in PART_WORDS.items() for word in words}


def named_parts(words: Iterable[str]) -> dict[str, str]:
    """Word -> `train`, `valid` or `test`; empty unless all are such words for a training part and another."""
    parts = {word: _PARTS.get(word.lower(), "") for word in words}
    divided = set(parts.values())
    return parts if "" not in divided and "train" in divided and len(divided) > 1 else {}


_SOME = 1000
"""Rows that are looked at before a whole column is."""


def part_columns(table: Table) -> dict[str, dict[str, str]]:
    """The columns that name parts, the targets left out: name -> (word -> part)."""
    columns = [column for column in table.frame.columns if column not in table.target]
    found = {str(column): _parts(table.frame[column]) for column in columns}
    return {column: words for column, words in found.items() if words}


def _parts(column: pd.Series) -> dict[str, str]:
    """Word -> part of a column of words; empty if it names no parts."""
    if pd.api.types.is_numeric_dtype(column) or not _words(column.iloc[:_SOME]):
        return {}
    return named_parts(_words(column))


def _words(column: pd.Series) -> list[str]:
    """The distinct values; empty if one is no usual word for a part."""
    try:
        values = column.dropna().unique().tolist()
    except TypeError:  # lists and the like, which have no hash
        return []
    fit = all(isinstance(value, str) and value.lower() in _PARTS for value in values)
    return sorted(values) if fit else []
