"""The inputs of an exported graph, and how raw rows are converted to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from torch import Tensor, nn

from harness.core.table import Table

Feed = dict[str, np.ndarray]
"""Input name -> values of all rows, (N, …)."""


class Inputs(nn.Module, ABC):
    """One kind of preprocessing: its constants are buffers, its arithmetic is `forward`.

    facts  one per input in the order of `forward`: name, dtype, shape without the batch, and what it holds
    steps  what `forward` does, in order, with every constant
    """

    facts: list[dict[str, Any]]
    steps: list[dict[str, Any]]

    @abstractmethod
    def feed(self, table: Table) -> Feed:
        """The inputs for rows with the types and the arrangement of training.

        Raises:
            UserError: the preprocessing refuses a value.
        """

    @abstractmethod
    def forward(self, *inputs: Tensor) -> Tensor:
        """The inputs, (B, …) each -> (B, *shape) float32, what the network takes."""
