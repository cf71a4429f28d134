"""Whether a column names the parts of a data set that was divided in advance, and the split ignores it."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from harness.core.part_words import part_columns
from harness.core.table import Table
from harness.core.typed_override import typed


def fixed_parts_note(cfg: DictConfig, table: Table) -> str:
    """A sentence with the setting that uses the column; empty where there is none, or one is used."""
    if OmegaConf.select(cfg, "split.column") is not None:
        return ""
    columns = part_columns(table)
    for column, words in columns.items():
        settings = ["split=predefined"]
        settings += [typed("split.column", column)] if len(columns) > 1 else []
        settings += [typed("data.extract.keep", [column])] if column in table.features else []
        return (
            f"column {column!r} divides the rows into {', '.join(words)}, and this split ignores it; to "
            f"use it, set {' '.join(settings)}"
        )
    return ""
