"""Texts for the sentences of findings: lists, counts, rows, columns and folds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from harness.core.name_list import MOST_NAMED, and_more, listed
from harness.core.table import Table
from harness.core.typed_override import typed

_MOST_DROPPED = 20
"""A setting in a sentence has at most this many columns."""


def quoted(names: Iterable[Any], most: int = MOST_NAMED) -> str:
    """`listed`, each name in quotation marks."""
    return listed((repr(str(name)) for name in names), most)


def row(table: Table, position: int) -> str:
    """`row 7` by position, or `visit 'v12'` if the table has an id column."""
    if table.id is None:
        return f"row {position}"
    return f"{table.id} {str(table.frame[table.id].iloc[position])!r}"


def among(hit: int, folds: int) -> str:
    """` in 3 of 5 folds`; empty if there is only one fold."""
    return "" if folds == 1 else f" in {hit} of {folds} folds"


def verb(count: int, word: str) -> str:
    """`hold`, or `holds` for a count of one."""
    if word == "have":
        return "has" if count == 1 else word
    return f"{word}s" if count == 1 else word


def dropping(columns: Iterable[str]) -> str:
    """The override that removes columns, as it must be typed; of very many only the first are listed."""
    names = list(columns)
    return and_more(typed("data.extract.drop", names[:_MOST_DROPPED]), len(names) - _MOST_DROPPED)


def codes(values: Any) -> tuple[np.ndarray, np.ndarray]:
    """(N,) int64 numbers of the distinct values in order of appearance, -1 where missing, and the values."""
    try:
        numbers, distinct = pd.factorize(values)
    except TypeError:  # lists and the like, which have no hash
        numbers, distinct = pd.factorize(pd.Series(values).map(repr))
    return numbers.astype(np.int64), np.asarray(distinct)
