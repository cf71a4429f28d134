"""Image: rows of pixel columns -> (N, C, H, W)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from harness.arrays import Arrays
from harness.data.transform.columns import numbers, select
from harness.data.transform.target import encode, pack, unpack
from harness.errors import UserError
from harness.table import Table
from harness.task import Task


class Image:
    """Pixels as float32, each channel with mean 0 and standard deviation 1 over the training rows.

    A pixel that is missing or infinite becomes its channel's mean.

    Args:
        normalise: False leaves the pixels in their own unit.
    """

    def __init__(self, *, normalise: bool) -> None:
        self.normalise = normalise

    def fit(self, table: Table, rows: np.ndarray, task: Task) -> None:
        """Raises UserError: the table has no pixel columns, or one that holds no numbers."""
        if table.shape is None:
            raise UserError(
                f"data/transform=image needs pixel columns, and {table.name} has none; set "
                "data.extract.kind=image and data.extract.shape=[C,H,W], or use data/transform=tabular."
            )
        self.task, self.columns, self.shape = task, table.features, table.shape
        pixels = numbers(select(table, self.columns).iloc[rows])
        pixels = pixels.reshape(len(rows), self.shape[0], -1)
        known = ~np.isnan(pixels)
        count = np.maximum(known.sum(axis=(0, 2)), 1)
        self.mean = np.where(known, pixels, 0).sum(axis=(0, 2)) / count
        distance = np.where(known, pixels - self.mean[:, None], 0)
        deviation = np.sqrt((distance**2).sum(axis=(0, 2)) / count)
        # A channel of one colour has no spread to divide by.
        self.deviation = np.where(deviation > 0, deviation, 1.0)

    def __call__(self, table: Table) -> Arrays:
        pixels = numbers(select(table, self.columns)).reshape(len(table), self.shape[0], -1)
        mean = self.mean[:, None]
        pixels = np.where(np.isnan(pixels), mean, pixels)
        if self.normalise:
            pixels = (pixels - mean) / self.deviation[:, None]
        inputs = torch.from_numpy(pixels.astype(np.float32)).reshape(len(table), *self.shape)
        return Arrays(inputs, encode(table, self.task), self.task)

    def state(self) -> dict[str, Any]:
        return {
            "columns": list(self.columns),
            "shape": list(self.shape),
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
            "task": pack(self.task),
        }

    def restore(self, state: dict[str, Any]) -> None:
        channels, height, width = state["shape"]
        self.columns, self.shape = tuple(state["columns"]), (channels, height, width)
        self.mean, self.deviation = np.array(state["mean"]), np.array(state["deviation"])
        self.task = unpack(state["task"])
