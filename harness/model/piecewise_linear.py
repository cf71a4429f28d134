"""The piecewise-linear embedding of numbers, whose bins follow from the training rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.model.numeric_embedding import ColumnLinear, NumericEmbedding, affine

_RANGE = 2.0
"""Half the range of the bins before `fit_inputs`, for standardised columns."""


class PiecewiseLinearEmbedding(NumericEmbedding):
    """x -> linear(x) + linear(encoding(x)), where the encoding says how far x is through each bin.

    Bins end at quantiles of the training rows (arXiv 2203.05556, section 3.2.1). The form is that of TabM
    (arXiv 2410.24210, "version B"): the second layer starts at zero, so that the embedding begins as a linear
    one.

    Args:
        bins: at most, for each column; of equal quantiles one is kept.
        activation: whether the second term passes a ReLU.

    Raises:
        ValueError: `bins` is below 2.
    """

    slope: Tensor
    shift: Tensor
    single: Tensor

    def __init__(self, columns: int, *, width: int, bins: int, activation: bool) -> None:
        super().__init__(columns, width)
        if bins < 2:
            raise ValueError(f"bins must be at least 2, got {bins}")
        self.bins, self.activation = bins, activation
        self.weight, self.bias = affine(columns, width)
        self.linear = ColumnLinear(columns, bins, width, bias=False)
        nn.init.zeros_(self.linear.weight)
        for name in ("slope", "shift"):
            self.register_buffer(name, torch.zeros(columns, bins))
        self.register_buffer("single", torch.zeros(columns, 1, dtype=torch.bool))
        self._set_edges([torch.linspace(-_RANGE, _RANGE, bins + 1)] * columns)

    def fit_inputs(self, inputs: Tensor) -> None:
        """Raises UserError: no column is a number."""
        super().fit_inputs(inputs)
        shares = torch.linspace(0, 1, self.bins + 1, dtype=torch.float64)
        self._set_edges([torch.unique(torch.quantile(column.double(), shares)) for column in inputs.T.cpu()])

    def _set_edges(self, edges: list[Tensor]) -> None:
        """The encoding as slope * x + shift, clamped; the last bin is in the last place, others are 0."""
        for buffer in (self.slope, self.shift, self.single):
            buffer.zero_()
        for column, ends in enumerate(edges):
            count = len(ends) - 1
            if count < 1:  # a constant column has no bin
                continue
            widths = ends.diff()
            places = [*range(count - 1), self.bins - 1]
            self.slope[column, places] = (1 / widths).to(self.slope)
            self.shift[column, places] = (-ends[:-1] / widths).to(self.shift)
            self.single[column] = count == 1

    def encode(self, values: Tensor) -> Tensor:
        """(B, F, 1) -> (B, F, bins): 0 below a bin, 1 above it; the outermost bins go on linearly."""
        raw = self.slope * values + self.shift
        first, middle, last = raw[..., :1], raw[..., 1:-1], raw[..., -1:]
        end = torch.where(self.single, last, last.clamp_min(0))
        return torch.cat([first.clamp_max(1), middle.clamp(0, 1), end], dim=-1)

    def embed(self, values: Tensor) -> Tensor:
        bent: Tensor = self.linear(self.encode(values))
        return values * self.weight + self.bias + (bent.relu() if self.activation else bent)
