"""How many raw rows have numbers beyond the range of the training rows, and in which columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from harness.bundle.ensemble import Ensemble
from harness.bundle.row_predictor import RowPredictor
from harness.core.name_list import counted, listed

_NAMED = 5
"""Columns that the sentence names at most."""


@dataclass
class RangeCounts:
    """Counts over rows that are looked at in pieces.

    rows     how many were looked at
    outside  how many have a number beyond the range
    columns  by column, the number of values beyond the range
    """

    rows: int = 0
    outside: int = 0
    columns: dict[str, int] = field(default_factory=dict)

    def add(self, beyond: pd.DataFrame) -> np.ndarray:
        """Counts rows, as `beyond_all` gives them; returns (n,) int64, the numbers beyond in each row."""
        values = beyond.to_numpy(dtype=np.int64)
        numbers = values.sum(axis=1)
        self.rows += len(values)
        self.outside += int((numbers > 0).sum())
        for column, count in zip(beyond.columns, values.sum(axis=0).tolist(), strict=True):
            if count:
                self.columns[str(column)] = self.columns.get(str(column), 0) + count
        return np.asarray(numbers, dtype=np.int64)

    @property
    def sentence(self) -> str:
        """What the user must know; "" where no row is beyond."""
        if not self.outside:
            return ""
        texts = [f"{column!r} ({count:,})" for column, count in self.columns.items()]
        have = "has a value" if self.outside == 1 else "have values"
        return (
            f"{self.outside:,} of {counted(self.rows, 'row')} {have} beyond the range of the training rows, "
            f"in {listed(texts, _NAMED)}; the model has learned nothing from such values."
        )


def beyond_all(
    predictor: RowPredictor | Ensemble | Sequence[RowPredictor], rows: pd.DataFrame
) -> pd.DataFrame:
    """(n, F) bool: which numbers of raw rows are beyond the training range of every model.

    Without columns where the models do not know their range.
    """
    members = predictor.members if isinstance(predictor, Ensemble) else predictor
    members = [members] if isinstance(members, RowPredictor) else members
    outside = members[0].beyond(rows)
    for member in members[1:]:
        outside &= member.beyond(rows)
    return outside
