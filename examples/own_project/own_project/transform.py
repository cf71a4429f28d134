"""A transform: learns from the training rows and makes arrays of all rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from harness.core.arrays import Arrays
from harness.core.errors import UnknownName
from harness.core.table import Table
from harness.core.task import Task
from harness.data.transform.target_tensor import encode, pack, unpack


class Ranges:
    """Scales each numeric column so that the training rows lie in [-1, 1]; other columns are left out.

    Values outside are clipped; a missing value becomes 0.
    """

    def fit(self, table: Table, rows: np.ndarray, task: Task) -> None:
        """Learns the columns and their ranges from `rows` alone."""
        numeric = table.frame[list(table.features)].select_dtypes("number")
        self.columns, self.task = [str(name) for name in numeric], task
        known = numeric.iloc[rows].astype(float)
        self.low, self.high = known.min().tolist(), known.max().tolist()

    def __call__(self, table: Table) -> Arrays:
        """All rows of the table, (N, columns); the target may be absent.

        Raises:
            UnknownName: the table has not all columns that `fit` saw.
        """
        for column in self.columns:
            if column not in table.frame.columns:
                raise UnknownName(
                    f"{table.name} has no column {column!r}", column, [str(c) for c in table.frame.columns]
                )
        values = table.frame[self.columns].to_numpy(dtype=float)
        low, high = np.array(self.low), np.array(self.high)
        width = np.where(high > low, high - low, 1.0)
        scaled = np.nan_to_num(np.clip(2 * (values - low) / width - 1, -1, 1))
        return Arrays(torch.from_numpy(scaled).float(), encode(table, self.task), self.task)

    def state(self) -> dict[str, Any]:
        """What `fit` learned, as plain values."""
        return {"columns": self.columns, "low": self.low, "high": self.high, "task": pack(self.task)}

    def restore(self, state: dict[str, Any]) -> None:
        """Restores what `state` returned."""
        self.columns, self.low, self.high = state["columns"], state["low"], state["high"]
        self.task = unpack(state["task"])
