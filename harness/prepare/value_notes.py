"""Notes on the values of a table: a name in several spellings, numbers as classes, a row as column names."""

from __future__ import annotations

import itertools
from collections.abc import Hashable

import pandas as pd
from omegaconf import DictConfig

from harness.core.name_list import listed
from harness.core.table import MOST_CLASSES, Table

_MOST = 100_000
"""Of more distinct values the spelling is not compared: they are identifiers."""


def value_notes(table: Table) -> list[str]:
    """A sentence for each column of groups or classes whose values are probably not meant so."""
    classes = table.target if table.task.kind in ("binary", "multiclass") else ()
    notes = [_numbers(table.frame[name]) for name in classes]
    notes += [_spelling(table.frame[name], "classes") for name in classes]
    notes += [] if table.group is None else [_spelling(table.frame[table.group], "groups")]
    return [note for note in notes if note]


def header_note(cfg: DictConfig, table: Table) -> str | None:
    """About column names of a file that are probably its first row; None if they are not."""
    extract = cfg.data.extract
    if not extract.get("header") or extract.get("names") is not None:
        return None
    columns = [name for name in table.features if name in table.frame]  # of events they are an array
    numbers = [name for name in columns if pd.api.types.is_numeric_dtype(table.frame[name])]
    if not numbers or not all(_within(table.frame[name], str(name)) for name in numbers):
        return None
    if _is_count([float(name) for name in numbers]):
        return None
    return (
        f"the column names {listed(map(repr, numbers))} look like values; if the first line of the file is "
        "a row, set data.extract.header=false: the columns are then column_1, column_2 and so on"
    )


def _within(column: pd.Series, name: str) -> bool:
    """Whether the name is a number in the range of the column's values."""
    try:
        value = float(name)
    except ValueError:
        return False
    return bool(column.min() <= value <= column.max())


def _is_count(names: list[float]) -> bool:
    """Whether the names are numbers in equal steps, such as years, or a single 0 or 1."""
    if len(names) == 1:
        return names[0] in (0, 1)
    steps = {after - before for before, after in itertools.pairwise(names)}
    return len(steps) == 1 and (len(names) > 2 or steps == {1})


def _spelling(column: pd.Series, what: str) -> str:
    """About names that differ only by blanks or capitals; empty if there are none."""
    distinct = [name for name in column.dropna().unique() if isinstance(name, str)]
    spellings: dict[Hashable, list[str]] = {}
    for name in distinct if len(distinct) <= _MOST else ():
        spellings.setdefault(" ".join(name.casefold().split()), []).append(name)
    several = [sorted(names) for names in spellings.values() if len(names) > 1]
    if not several:
        return ""
    rows = int(column.isin([name for names in several for name in names]).sum())
    return (
        f"column {str(column.name)!r} has {what} that differ only by blanks or capitals, such as "
        f"{listed(map(repr, several[0]))} ({rows:,} rows); if they mean the same, write them in one way"
    )


def _numbers(column: pd.Series) -> str:
    """About a target of many distinct numbers; empty if it is none."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return ""
    distinct = column.nunique()
    if distinct <= MOST_CLASSES:
        return ""
    return (
        f"the target {str(column.name)!r} holds {distinct:,} distinct numbers, each of them a class; "
        "to predict the number, set data.extract.task=regression"
    )
