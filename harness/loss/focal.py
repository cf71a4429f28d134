"""Focal loss: cross-entropy that turns from what is easy to what is hard."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, nll_loss


@final
class Focal(nn.Module):
    """(1 - p)^gamma times the cross-entropy, p the probability of the true answer (arXiv 1708.02002, eq. 4).

    (B, C) logits and (B,) int64 codes: one class of several. Logits and 0 or 1 of one shape, (B,) or
    (B, C): each element for itself. The mean over elements, with `weight` and `pos_weight` as torch's
    cross-entropy and binary cross-entropy take them; the paper's alpha is such a weight. With gamma 0 it is
    the cross-entropy.

    weight       (C,) of the classes, or what rescales each binary element; None: 1
    pos_weight   rescales the part of a 1, (C,) or a scalar; None: 1

    Args:
        gamma: the focus; at 2 a row with p = 0.9 counts a hundredth.

    Raises:
        ValueError: gamma is below 0.
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(self, *, gamma: float) -> None:
        super().__init__()
        if not gamma >= 0:
            raise ValueError(f"gamma must be 0 or more, got {gamma}")
        self.gamma = gamma
        self.register_buffer("weight", None)
        self.register_buffer("pos_weight", None)

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if targets.is_floating_point():
            return self._binary(outputs, targets)
        log_p = outputs.log_softmax(dim=1)
        # The negative log-likelihood picks the true class, weighs it and takes the weighted mean.
        return nll_loss(self._focus(log_p) * log_p, targets, self.weight)

    def _binary(self, outputs: Tensor, targets: Tensor) -> Tensor:
        each = binary_cross_entropy_with_logits(
            outputs, targets, self.weight, pos_weight=self.pos_weight, reduction="none"
        )
        return (self._focus(logsigmoid(outputs * (2 * targets - 1))) * each).mean()

    def _focus(self, log_p: Tensor) -> Tensor:
        # Above 0, where a gamma below 1 has a slope.
        chance_of_error = (-log_p.expm1()).clamp_min(torch.finfo(log_p.dtype).eps)
        return chance_of_error.pow(self.gamma)
