"""A note where one class is so frequent, or one so rare, that the accuracy says little."""

from __future__ import annotations

import pandas as pd
from omegaconf import DictConfig

from harness.core.table import Table
from harness.data.cache.command_scope import current

_FREQUENT = 0.8
"""Share of the rows from which a class is called frequent: to answer it always is right that often."""

_RARE = 0.1
"""Share of n / C rows below which one of C classes is called rare."""


def imbalance_note(cfg: DictConfig, table: Table) -> str:
    """A sentence with the settings that help; empty where classes are balanced, or one of these is set.

    Args:
        cfg: without any `auto`.
    """
    if not table.task.classification or _handled(cfg):
        return ""
    # The trials of a sweep mostly have the same table.
    key = f"imbalance {table.digest} {table.target} {table.task}"
    return current().shared(key, lambda: _sentence(table))


def _sentence(table: Table) -> str:
    counts = table.labels.value_counts()
    rows = int(counts.sum())
    rare = int(counts.iloc[-1]) < _RARE * rows / len(counts)
    if counts.iloc[0] < _FREQUENT * rows and not rare:
        return ""
    score = "auroc" if table.task.kind == "binary" else "f1"
    return (
        f"the classes are imbalanced: {_share(counts, 0, rows)}, {_share(counts, -1, rows)}; a high accuracy "
        f"says little. Compare by another score (trainer.monitor=valid/{score}), which chooses the epoch "
        "too, or let rare classes count more (trainer.class_weights=balanced)"
    )


def _handled(cfg: DictConfig) -> bool:
    monitor = str(cfg.trainer.get("monitor")).partition("/")[2]
    weights, sampler = cfg.trainer.get("class_weights"), cfg.data.load.get("sampler")
    return monitor != "accuracy" or weights is not None or sampler is not None


def _share(counts: pd.Series, place: int, rows: int) -> str:
    count = int(counts.iloc[place])
    name = counts.index[place]
    name = int(name) if isinstance(name, float) and name.is_integer() else name
    return f"{count:,} of {rows:,} rows are {str(name)!r}"
