"""Whether a column names the parts of a data set that was divided in advance, and the split ignores it."""

from __future__ import annotations

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from harness.core.part_words import PART_WORDS, named_parts
from harness.core.table import Table
from harness.core.typed_override import typed

_SOME = 1000


def fixed_parts_note(cfg: DictConfig, table: Table) -> str:
    """A sentence with the setting that uses the column; empty where there is none, or it is used."""
    used = OmegaConf.select(cfg, "split.column")
    for column in table.frame.columns:
        if used is None and column not in table.target and (words := _parts(table.frame[column])):
            return (
                f"column {column!r} divides the rows into {', '.join(words)}, and this split ignores it; to "
                f"use it, set {' '.join(_settings(table, str(column), words))}"
            )
    return ""


def _parts(column: pd.Series) -> dict[str, str]:
    """Word -> part of a column of words; empty if it names no parts."""
    if pd.api.types.is_numeric_dtype(column) or not _words(column.iloc[:_SOME]):
        return {}
    return named_parts(_words(column))


def _words(column: pd.Series) -> list[str]:
    """The distinct values; empty if one is no usual word for a part."""
    known = {word for words in PART_WORDS.values() for word in words}
    try:
        values = column.dropna().unique().tolist()
    except TypeError:  # lists and the like, which have no hash
        return []
    fit = all(isinstance(value, str) and value.lower() in known for value in values)
    return sorted(values) if fit else []


def _settings(table: Table, column: str, words: dict[str, str]) -> list[str]:
    settings = ["split=predefined", typed("split.column", column)]
    for part in PART_WORDS:
        own = [word for word, named in words.items() if named == part]
        if own and own != [part]:
            settings.append(typed(f"split.words.{part}", own))
    return [*settings, typed("data.extract.keep", [column])] if column in table.features else settings
