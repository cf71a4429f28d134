"""Features as a transform makes them: the input of a graph whose preprocessing stays outside."""

from __future__ import annotations

import copy

import numpy as np
from torch import Tensor

from harness.production.export.inputs import Feed, Inputs
from harness.production.export.rows import fact
from harness.protocol import Transform
from harness.table import Table


class Features(Inputs):
    """`features` (B, *shape) float32, made by a transform that is not written down as arithmetic.

    Args:
        transform: as fitted.
        shape: of one sample.
        why: it stays outside, in words.
    """

    def __init__(self, transform: Transform, shape: tuple[int, ...], why: str) -> None:
        super().__init__()
        self._transform = copy.copy(transform)
        words = f"what the transform of the training makes of a row, which is not in here: {why}"
        self.facts = [fact("features", "float32", list(shape), words)]
        self.steps = []

    def feed(self, table: Table) -> Feed:
        arrays = self._transform(table)
        return {"features": arrays.take(np.arange(len(table))).numpy()}

    def forward(self, *inputs: Tensor) -> Tensor:
        (features,) = inputs
        return features
