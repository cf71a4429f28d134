"""TabM: an ensemble of perceptrons that share almost all their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from harness.model.category_vectors import category_vectors, embedded, embedded_width, numbers_of
from harness.model.numeric_embedding import Numeric, embedding_of
from harness.model.option_checks import check_share, check_widths
from harness.model.pretrained_weights import load


class TabM(nn.Module):
    """(B, F) -> (B, members * widths[-1]): the representations of all members, one after the other.

    Gorishniy et al. 2025, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling" (arXiv
    2410.24210), as in the authors' package `tabm`. `members` tells a trainer that the representation has that
    many parts: each gets a head and a loss of its own, and predictions are averaged.

    Args:
        members: number of perceptrons.
        widths: units of each hidden layer; the last is the width of a member's representation.
        dropout: share of units zeroed in training.
        numeric: embeds the columns that are numbers; shared by the members.
        category_width: of the learned vector of each code of a category, which the members share too.

    Raises:
        ValueError: an option is out of range.
    """

    takes: ClassVar[tuple[str, ...]] = ("row",)

    def __init__(
        self,
        shape: tuple[int, ...],
        codes: Sequence[int] = (),
        *,
        members: int,
        widths: list[int],
        dropout: float,
        numeric: Numeric | Literal["auto"] | None = None,
        category_width: int = 8,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        if members < 1:
            raise ValueError(f"members must be at least 1, got {members}")
        check_widths(widths)
        check_share("dropout", dropout)
        (columns,) = shape
        self.members = members
        self.category = category_vectors(codes, category_width)
        numbers = columns - len(codes)
        self.numeric = embedding_of(numeric, numbers)
        features = embedded_width(numbers, self.numeric, self.category)
        layers = []
        for width in widths:
            layers.append(MemberLinear(features, width, members))
            features = width
        each = [1 if self.numeric is None else self.numeric.width] * numbers
        each += [category_width] * len(codes)
        _spread(layers[0].before, each, normal=self.numeric is not None or self.category is not None)
        self.layers = nn.ModuleList(layers)
        self.dropout = nn.Dropout(dropout)
        self.width = members * features
        if weights is not None:
            load(self, weights)

    def fit_inputs(self, inputs: Tensor) -> None:
        """Fits the embedding of numbers to the training rows, (n, F)."""
        if self.numeric is not None:
            self.numeric.fit_inputs(numbers_of(inputs, self.category))

    def forward(self, inputs: Tensor) -> Tensor:
        columns = embedded(inputs, self.numeric, self.category)
        values = columns.unsqueeze(1).expand(-1, self.members, -1)
        for layer in self.layers:
            values = self.dropout(layer(values).relu())
        return values.flatten(1)


class MemberLinear(nn.Module):
    """A linear layer whose matrix the members share: (B, M, in) -> (B, M, out).

    Each member scales inputs and outputs and has its own bias (BatchEnsemble, arXiv 2002.06715, equation 5).
    Both scales start at 1, and the biases of all members are equal at the start.
    """

    def __init__(self, inputs: int, outputs: int, members: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.before = nn.Parameter(torch.ones(members, inputs))
        self.after = nn.Parameter(torch.ones(members, outputs))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound).repeat(members, 1))

    def forward(self, values: Tensor) -> Tensor:
        return (values * self.before) @ self.weight.T * self.after + self.bias


@torch.no_grad()
def _spread(scales: Tensor, each: list[int], *, normal: bool) -> None:
    """Fills the first scales (M, sum of each) with a random number per member and column, by which members
    differ.

    Standard normal numbers, or signs where no column is embedded.

    Args:
        each: how many features each column has.
    """
    members = len(scales)
    drawn = torch.randn(members, len(each)) if normal else _signs(members, len(each))
    scales.copy_(drawn.repeat_interleave(torch.tensor(each), dim=1))


def _signs(*shape: int) -> Tensor:
    return torch.randint(0, 2, shape) * 2.0 - 1.0
