"""A linear head in NTK parametrisation, as RealMLP ends (arXiv 2407.04491)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional


@final
class NTKHead(nn.Module):
    """x -> x W / sqrt(width) + b: (B, width) -> (B, outputs), (B,) of one output.

    A rate that suits RealMLP's layers is sqrt(width) times too high for the weights of a plain linear layer.

    Args:
        bias_rate: learning rate of the biases, as a share of the trainer's.
    """

    def __init__(self, width: int, outputs: int, *, bias_rate: float = 0.1) -> None:
        super().__init__()
        self.gain, self.bias_rate, self.single = width**-0.5, bias_rate, outputs == 1
        self.weight = nn.Parameter(torch.randn(outputs, width))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, representation: Tensor) -> Tensor:
        outputs = functional.linear(representation, self.gain * self.weight, self.bias_rate * self.bias)
        return outputs.squeeze(1) if self.single else outputs
