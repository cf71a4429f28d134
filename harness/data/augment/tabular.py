"""FeatureCorruption: some entries of a batch are taken from other rows."""

from __future__ import annotations

import torch
from torch import Tensor


class FeatureCorruption:
    """SCARF's view of a table, arXiv 2106.15147, with two simplifications.

    Each entry is replaced with probability `rate`, where the paper replaces a fixed number per
    row; and by the same feature of a random row of the batch, where the paper draws from the whole
    training part. Either way the replacement follows the feature's own distribution.

    Args:
        rate: in [0, 1], the probability that an entry is replaced.
    """

    def __init__(self, *, rate: float) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be between 0 and 1, got {rate}")
        self.rate = rate

    def __call__(self, inputs: Tensor) -> Tensor:
        """(B, *shape) -> (B, *shape)."""
        rows = torch.randint(len(inputs), inputs.shape, device=inputs.device)
        replaced = torch.rand(inputs.shape, device=inputs.device) < self.rate
        return torch.where(replaced, inputs.gather(0, rows), inputs)
