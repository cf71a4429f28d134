"""A feature that is the target itself: the same values, or another name for each class."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.core.finding import Finding
from harness.core.table import Table
from harness.leakage.finding_text import codes, quoted, settings

CHANCE = 16
"""How many bits of the target a feature must agree with for it to be no chance."""


def equals(table: Table) -> Finding:
    """A feature with the values of the target or, of classes, with one value for each and no other.

    Few rows may agree by chance, which is why they must carry 16 bits of the target: 16 rows of two
    even classes, 8 rows that all differ.
    """
    same = [(name, target) for target in table.target for name in _alike(table, target)]
    if same:
        name, target = same[0]
        names = list(dict.fromkeys(name for name, _ in same))
        also = f" (and {quoted(names[1:])} as well)" if len(names) > 1 else ""
        return Finding(
            "equals",
            "error",
            f"feature {name!r}{also} is the target {target!r} by another name, in every row that has one; "
            f"leave it out with data.extract.drop={settings(names)}.",
        )
    return Finding("equals", "fine", f"None of {len(table.features)} features is the target by another name.")


def _alike(table: Table, target: str) -> list[str]:
    labels = table.frame[target]
    rows = np.flatnonzero(labels.notna().to_numpy())
    if _bits(labels.iloc[rows]) < CHANCE:
        return []
    number = table.task.kind == "regression"
    judge = _same_numbers if number else _recoded
    stages = []
    for some in (rows[:: max(1, len(rows) // 2000)], rows):  # some rows show most features to differ at once
        known = labels.iloc[some]
        stages.append((some, known.to_numpy(dtype=np.float64) if number else codes(known)[0]))
    return [
        name
        for name in table.features
        if all(judge(table.frame[name].iloc[some], truth) for some, truth in stages)
    ]


def _recoded(feature: pd.Series, classes: np.ndarray) -> bool:
    """Whether each value of the feature stands beside one class, and each class beside one value."""
    values = codes(feature)[0] + 1  # a missing value is one more
    count, kinds = len(pd.unique(values)), len(pd.unique(classes))
    return count == kinds == len(pd.unique(values * kinds + classes))


def _same_numbers(feature: pd.Series, numbers: np.ndarray) -> bool:
    if not pd.api.types.is_numeric_dtype(feature):
        return False
    return bool(np.allclose(feature.to_numpy(dtype=np.float64, na_value=np.nan), numbers, rtol=1e-6, atol=0))


def _bits(labels: pd.Series) -> float:
    """How many bits the labels of these rows hold together: rows times entropy."""
    shares = labels.value_counts(normalize=True).to_numpy()
    return float(-(shares * np.log2(shares)).sum() * len(labels))
