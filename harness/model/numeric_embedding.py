"""Embeddings of numbers: each column of a row becomes a vector before a model mixes the columns.

Gorishniy et al. 2022, "On Embeddings for Numerical Features in Tabular Deep Learning" (arXiv 2203.05556). A
model of rows takes one as its argument `numeric`, a callable of the number of columns.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from harness.core.errors import UserError


class NumericEmbedding(nn.Module, ABC):
    """(B, F) -> (B, F * width): a vector of `width` numbers for each column.

    A column with two values or fewer in the training rows, such as one of a one-hot encoding, is no number:
    its vector is its value followed by zeros. Before `fit_inputs`, every column counts as a number.

    Raises:
        ValueError: `width` is below 1.
    """

    numbers: Tensor

    def __init__(self, columns: int, width: int) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        self.columns, self.width = columns, width
        self.register_buffer("numbers", torch.ones(columns, 1, dtype=torch.bool))

    def fit_inputs(self, inputs: Tensor) -> None:
        """Takes what the embedding needs from the training rows, (n, F).

        Raises:
            UserError: no column is a number.
        """
        ordered = inputs.sort(dim=0).values
        distinct = 1 + (ordered[1:] != ordered[:-1]).sum(dim=0)
        self.numbers.copy_((distinct > 2)[:, None])
        if not self.numbers.any():
            raise UserError(
                "an embedding of numbers needs a column of numbers, and each column of the training rows has "
                "two values or fewer",
                "use model/numeric=none",
                key="model.numeric",
            )

    def vectors(self, inputs: Tensor) -> Tensor:
        """(B, F) -> (B, F, width)."""
        values = inputs.unsqueeze(-1)
        bare = nn.functional.pad(values, (0, self.width - 1))
        return torch.where(self.numbers, self.embed(values), bare)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.vectors(inputs).flatten(1)

    @abstractmethod
    def embed(self, values: Tensor) -> Tensor:
        """(B, F, 1) -> (B, F, width)."""


Numeric = Callable[..., NumericEmbedding]
"""Called with the number of columns, and with `width` where the model prescribes it."""


class ColumnLinear(nn.Module):
    """A linear layer of its own for each column: (B, F, in) -> (B, F, out)."""

    def __init__(self, columns: int, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(columns, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(columns, outputs).uniform_(-bound, bound)) if bias else None

    def forward(self, values: Tensor) -> Tensor:
        made = (values.transpose(0, 1) @ self.weight).transpose(0, 1)
        return made if self.bias is None else made + self.bias


def affine(columns: int, width: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight and bias (F, width), uniform within the inverse root of the width."""
    bound = width**-0.5
    weight, bias = (nn.Parameter(torch.empty(columns, width).uniform_(-bound, bound)) for _ in range(2))
    return weight, bias


class LinearEmbedding(NumericEmbedding):
    """x -> ReLU(x * weight + bias), or without the ReLU (arXiv 2203.05556, section 3.4: LR and L)."""

    def __init__(self, columns: int, *, width: int, activation: bool) -> None:
        super().__init__(columns, width)
        self.weight, self.bias = affine(columns, width)
        self.activation = activation

    def embed(self, values: Tensor) -> Tensor:
        made = values * self.weight + self.bias
        return made.relu() if self.activation else made


class PeriodicEmbedding(NumericEmbedding):
    """x -> ReLU(linear([cos(2 pi c x), sin(2 pi c x)])), c learned (arXiv 2203.05556, section 3.3: PLR).

    Args:
        frequencies: the number of c for each column.
        scale: standard deviation of the initial c, cut at three of it.
        shared: one linear layer for all columns ("lite", arXiv 2307.14338) instead of one for each.
        activation: whether the ReLU is applied.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self, columns: int, *, width: int, frequencies: int, scale: float, shared: bool, activation: bool
    ) -> None:
        super().__init__(columns, width)
        _check_waves(frequencies, scale)
        self.frequency = nn.Parameter(torch.empty(columns, frequencies))
        nn.init.trunc_normal_(self.frequency, 0.0, scale, a=-3 * scale, b=3 * scale)
        self.linear: nn.Module = (
            nn.Linear(2 * frequencies, width) if shared else ColumnLinear(columns, 2 * frequencies, width)
        )
        self.activation = activation

    def embed(self, values: Tensor) -> Tensor:
        angle = 2 * math.pi * self.frequency * values
        made: Tensor = self.linear(torch.cat([angle.cos(), angle.sin()], dim=-1))
        return made.relu() if self.activation else made


class PBLDEmbedding(NumericEmbedding):
    """x -> [linear(cos(2 pi c x + b)), x]: periodic with bias, linear, densely connected.

    Holzmueller et al. 2024 (arXiv 2407.04491, section 3). `rate` is the learning rate of its parameters as a
    share of the trainer's: they are stored divided by it, which is the same for Adam.

    Args:
        frequencies: the number of c for each column.
        scale: standard deviation of the initial c.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(self, columns: int, *, width: int, frequencies: int, scale: float, rate: float) -> None:
        super().__init__(columns, width)
        _check_waves(frequencies, scale)
        if width < 2:
            raise ValueError(f"width must be at least 2, for a wave and the number itself, got {width}")
        if not rate > 0:
            raise ValueError(f"rate must be above 0, got {rate}")
        self.rate = rate
        self.frequency = nn.Parameter(scale * torch.randn(columns, frequencies) / rate)
        self.phase = nn.Parameter(torch.empty(columns, frequencies).uniform_(-math.pi, math.pi) / rate)
        self.linear = ColumnLinear(columns, frequencies, width - 1)
        with torch.no_grad():
            for each in self.linear.parameters():
                each.div_(rate)

    def embed(self, values: Tensor) -> Tensor:
        waves = (2 * math.pi * self.rate * self.frequency * values + self.rate * self.phase).cos()
        return torch.cat([self.rate * self.linear(waves), values], dim=-1)


def _check_waves(frequencies: int, scale: float) -> None:
    if frequencies < 1:
        raise ValueError(f"frequencies must be at least 1, got {frequencies}")
    if not scale > 0:
        raise ValueError(f"scale must be above 0, got {scale}")


def embedding_of(
    numeric: Numeric | Literal["auto"] | None, columns: int, width: int | None = None
) -> NumericEmbedding | None:
    """The embedding that a model's argument `numeric` makes for its columns; None without one.

    Args:
        numeric: "auto" is none here: `harness.prepare.numeric_choice` replaces it by the rows of a run.
        width: of the vectors, where the model prescribes it.
    """
    if numeric is None or isinstance(numeric, str):
        return None
    return numeric(columns) if width is None else numeric(columns, width=width)
