"""A moving average of modules, which no gradient reaches."""

from __future__ import annotations

import copy
from typing import final

import torch
from torch import Tensor, nn


@final
class Momentum(nn.Module):
    """The moving average of the weights of modules, called one after the other (arXiv 1911.05722, eq. 2).

    Its batch normalisation goes by the batch at hand, as in MoCo and BYOL, and keeps running statistics
    of its own: only parameters follow.

    Args:
        parts: what is copied.
    """

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.Sequential(*copy.deepcopy(parts)).requires_grad_(False)

    @torch.no_grad()
    def forward(self, inputs: Tensor) -> Tensor:
        output: Tensor = self.parts(inputs)
        return output

    @torch.no_grad()
    def follow(self, momentum: float, *parts: nn.Module) -> None:
        """copy = momentum * copy + (1 - momentum) * original, of the same parts as they are now."""
        copies: list[Tensor] = list(self.parts.parameters())
        originals: list[Tensor] = [parameter for part in parts for parameter in part.parameters()]
        if copies:
            torch._foreach_lerp_(copies, originals, 1 - momentum)


def require_momentum(momentum: float) -> float:
    """The momentum.

    Raises:
        ValueError: it is outside [0, 1].
    """
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum must be a share of the copy's weights, 0 to 1, got {momentum}")
    return momentum
