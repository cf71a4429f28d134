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
        weak_rate: the same of the milder change with which a semi-supervised method guesses a label.
    """

    def __init__(self, *, rate: float, weak_rate: float) -> None:
        for name, value in (("rate", rate), ("weak_rate", weak_rate)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {value}")
        self.rate, self.weak_rate = rate, weak_rate

    def __call__(self, inputs: Tensor) -> Tensor:
        """(B, *shape) -> (B, *shape)."""
        return _corrupted(inputs, self.rate)

    def weak(self, inputs: Tensor) -> Tensor:
        """(B, *shape) -> (B, *shape), with `weak_rate`."""
        return _corrupted(inputs, self.weak_rate)


def _corrupted(inputs: Tensor, rate: float) -> Tensor:
    rows = torch.randint(len(inputs), inputs.shape, device=inputs.device)
    replaced = torch.rand(inputs.shape, device=inputs.device) < rate
    return torch.where(replaced, inputs.gather(0, rows), inputs)
