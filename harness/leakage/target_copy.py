"""Check: a feature that is a copy of the target, with the same values or with renamed classes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.core.finding import Finding
from harness.core.table import Table
from harness.leakage.finding_text import codes, dropping, quoted

CHANCE = 16
"""A feature must agree with this many bits of the target; fewer could agree by chance."""


def find_target_copy(table: Table) -> Finding:
    """A feature that equals the target or, for classes, has exactly one value for each class.

    A few rows may agree by chance. The agreeing rows must therefore carry 16 bits of the target: 16 rows of
    two equally frequent classes, or 8 rows that all differ.
    """
    same = [(name, target) for target in table.target for name in _copies(table, target)]
    if same:
        name, target = same[0]
        names = list(dict.fromkeys(name for name, _ in same))
        also = f" (and {quoted(names[1:])} as well)" if len(names) > 1 else ""
        return Finding(
            "equals",
            "error",
            f"feature {name!r}{also} is a copy of the target {target!r}: it determines the target in every "
            f"row; "
            f"remove it with {dropping(names)}.",
        )
    return Finding("equals", "fine", f"None of {len(table.features)} features is a copy of the target.")


def _copies(table: Table, target: str) -> list[str]:
    labels = table.frame[target]
    rows = np.flatnonzero(labels.notna().to_numpy())
    if _bits(labels.iloc[rows]) < CHANCE:
        return []
    number = table.task.kind == "regression"
    equal = _same_numbers if number else _recoded
    stages = []
    # A sample first: it already rules out most features.
    for some in (rows[:: max(1, len(rows) // 2000)], rows):
        known = labels.iloc[some]
        stages.append((some, known.to_numpy(dtype=np.float64) if number else codes(known)[0]))
    return [
        name
        for name in table.features
        if all(equal(table.frame[name].iloc[some], truth) for some, truth in stages)
    ]


def _recoded(feature: pd.Series, classes: np.ndarray) -> bool:
    """Whether each value of the feature occurs with one class only, and each class with one value."""
    values = codes(feature)[0] + 1  # a missing value counts as one more value
    count, kinds = len(pd.unique(values)), len(pd.unique(classes))
    return count == kinds == len(pd.unique(values * kinds + classes))


def _same_numbers(feature: pd.Series, numbers: np.ndarray) -> bool:
    if not pd.api.types.is_numeric_dtype(feature):
        return False
    return bool(np.allclose(feature.to_numpy(dtype=np.float64, na_value=np.nan), numbers, rtol=1e-6, atol=0))


def _bits(labels: pd.Series) -> float:
    """The information of these labels in bits: number of rows times entropy."""
    shares = labels.value_counts(normalize=True).to_numpy()
    return float(-(shares * np.log2(shares)).sum() * len(labels))
