"""Inputs: what an exported graph is given, and how raw rows come to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from torch import Tensor, nn

from harness.core.table import Table

Feed = dict[str, np.ndarray]
"""By the name of an input, the values of all rows, (N, …)."""


class Inputs(nn.Module, ABC):
    """One way of preprocessing: its constants are buffers, its arithmetic is `forward`.

    facts  one per input in the order of `forward`: name, dtype, shape without the batch, and what it holds
    steps  what `forward` does, in order, with every constant
    """

    facts: list[dict[str, Any]]
    steps: list[dict[str, Any]]

    @abstractmethod
    def feed(self, table: Table) -> Feed:
        """The inputs of rows that are typed and arranged as in training.

        Raises:
            UserError: a value that the preprocessing refuses.
        """

    @abstractmethod
    def forward(self, *inputs: Tensor) -> Tensor:
        """The inputs, (B, …) each -> (B, *shape) float32, what the network takes."""
