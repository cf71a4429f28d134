"""Parts of a user's own, as `_target_` finds them: a stand-in for each room that a bundle needs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from pandas.api.types import is_numeric_dtype
from torch import Tensor, nn

from harness.core.arrays import Arrays
from harness.core.table import Table
from harness.core.task import Task


class Scale:
    """Numbers as they are divided by the training rows' maximum; text by its length."""

    def __init__(self, *, label: str) -> None:
        self.label = label
        self.most = np.ones(0)

    def fit(self, table: Table, rows: np.ndarray, task: Task) -> None:
        self.most = self._numbers(table)[rows].max(axis=0)

    def __call__(self, table: Table) -> Arrays:
        return Arrays(torch.tensor(self._numbers(table) / self.most).float(), None, Task("none"))

    def state(self) -> dict[str, Any]:
        return {"most": self.most.astype(np.float64).tobytes(), "label": self.label}

    def restore(self, state: dict[str, Any]) -> None:
        assert state["label"] == self.label
        self.most = np.frombuffer(state["most"])

    @staticmethod
    def _numbers(table: Table) -> np.ndarray:
        columns = [table.frame[name] for name in table.features]
        return np.stack(
            [c.to_numpy(float) if is_numeric_dtype(c) else c.str.len().to_numpy(float) for c in columns],
            axis=1,
        )


class Tied(nn.Module):
    """Two layers that share one weight, a batch norm with buffers, and a width."""

    def __init__(self, shape: tuple[int, ...], *, width: int) -> None:
        super().__init__()
        self.width = width
        self.lift = nn.Linear(shape[0], width)
        self.once = nn.Linear(width, width)
        self.twice = nn.Linear(width, width)
        self.twice.weight = self.once.weight
        self.norm = nn.BatchNorm1d(width)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.norm(self.twice(self.once(self.lift(inputs))))


class Single(nn.Linear):
    """(B, width) -> (B,)"""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs).squeeze(1)


class Trainer:
    def __init__(self, *, device: str) -> None:
        assert device == "cpu", "the device of the training may not exist here"

    def build_head(self, width: int, task: Task) -> nn.Module:
        single = task.outputs == 1
        return Single(width, 1) if single else nn.Linear(width, task.outputs)


class Flat(nn.Module):
    """(B, *shape) -> (B, 3), whatever the shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.width = 3
        self.linear = nn.Linear(math.prod(shape), 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.linear(inputs.flatten(1))
