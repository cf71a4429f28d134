"""Graph input: features made by a transform that is not part of the graph."""

from __future__ import annotations

import copy

import numpy as np
from torch import Tensor

from harness.core.protocol import Transform
from harness.core.table import Table
from harness.deploy.export.graph_inputs import Feed, Inputs
from harness.deploy.export.tabular_input import fact


class Features(Inputs):
    """`features` (B, *shape) float32, made by a transform that cannot be exported as arithmetic.

    Args:
        transform: as fitted.
        shape: of one sample.
        why: the reason why it is not in the graph.
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
