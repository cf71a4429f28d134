"""A loss: a module called with outputs and targets."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LogCosh(nn.Module):
    """log cosh of the error: quadratic for small errors, linear for large ones. For targets that are numbers.

    (outputs (B,) or (B, T), targets of the same shape), both standardised -> the mean, a scalar.
    """

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        error = outputs - targets
        # log cosh x = |x| + log(1 + exp(-2|x|)) - log 2, which does not overflow.
        size = error.abs()
        return (size + torch.log1p(torch.exp(-2 * size)) - torch.log(torch.tensor(2.0))).mean()
