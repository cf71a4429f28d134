"""Learned vectors of categories: each code of a column becomes a vector that is trained like any weight.

A model of rows that has the argument `codes` is given how many codes each of its last columns has, see
`harness.core.code_columns`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from harness.model.numeric_embedding import NumericEmbedding


class CategoryVectors(nn.Module):
    """(B, C) codes -> (B, C, width), from one table for all columns.

    Vectors start as standard normal numbers, as in RealMLP (arXiv 2407.04491, package `pytabkit`), times
    `scale`; those of code 0, which stands for any unknown value, start at their mean, 0.
    """

    offsets: Tensor

    def __init__(self, codes: Sequence[int], width: int, *, scale: float = 1.0) -> None:
        super().__init__()
        self.codes, self.width = tuple(codes), width
        first = [0, *accumulate(codes)]
        self.register_buffer("offsets", torch.tensor(first[:-1]), persistent=False)
        self.table = nn.Parameter(scale * torch.randn(first[-1], width))
        with torch.no_grad():
            self.table[self.offsets] = 0

    @property
    def features(self) -> int:
        """The numbers of all vectors of a row."""
        return len(self.codes) * self.width

    def split(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """(B, F) -> the columns before the codes (B, F - C), and the vectors (B, C, width)."""
        numbers, codes = inputs[:, : -len(self.codes)], inputs[:, -len(self.codes) :]
        return numbers, nn.functional.embedding(codes.long() + self.offsets, self.table)


def category_vectors(codes: Sequence[int], width: int) -> CategoryVectors | None:
    """The vectors for columns of codes; None without such columns.

    Raises:
        ValueError: `width` is below 1.
    """
    if width < 1:
        raise ValueError(f"category_width must be at least 1, got {width}")
    return CategoryVectors(codes, width) if codes else None


def embedded_width(columns: int, numeric: NumericEmbedding | None, category: CategoryVectors | None) -> int:
    """How many numbers `embedded` makes of a row of `columns` numbers, apart from the codes."""
    numbers = columns * (1 if numeric is None else numeric.width)
    return numbers + (0 if category is None else category.features)


def embedded(inputs: Tensor, numeric: NumericEmbedding | None, category: CategoryVectors | None) -> Tensor:
    """(B, F) -> (B, features): the numbers, embedded if `numeric` does that, then the vectors of
    the codes."""
    if category is None:
        return inputs if numeric is None else numeric(inputs)
    numbers, vectors = category.split(inputs)
    values = numbers if numeric is None else numeric(numbers)
    return torch.cat([values, vectors.flatten(1)], dim=1)


def numbers_of(inputs: Tensor, category: CategoryVectors | None) -> Tensor:
    """(n, F) -> the columns before the codes."""
    return inputs if category is None else category.split(inputs)[0]
