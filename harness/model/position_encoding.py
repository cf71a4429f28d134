"""Positions of tokens, added to them since attention itself sees no order."""

from __future__ import annotations

from math import prod
from typing import Literal

import torch
from torch import Tensor, nn


class Position(nn.Module):
    """Adds to each token a vector that encodes its place in the grid: (B, T, D) -> (B, T, D).

    grid  (T,) for a sequence, (rows, columns) with T = rows * columns for the patches of an image
    kind  "learned": one trained vector per place; "sincos": fixed waves

    Raises:
        ValueError: see `sincos`.
    """

    table: Tensor

    def __init__(self, grid: tuple[int, ...], width: int, kind: Literal["learned", "sincos"]) -> None:
        super().__init__()
        if kind == "learned":
            self.table = nn.Parameter(nn.init.trunc_normal_(torch.empty(prod(grid), width), std=0.02))
        else:
            self.register_buffer("table", sincos(grid, width), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens + self.table


def sincos(grid: tuple[int, ...], width: int) -> Tensor:
    """(prod(grid), width) float32: sine and cosine of each coordinate, wave lengths 2π to 10000 * 2π.

    arXiv 1706.03762, section 3.5; with two coordinates each has half the width.

    Raises:
        ValueError: the width does not divide into a sine and a cosine per coordinate.
    """
    if width % (2 * len(grid)):
        raise ValueError(f"width must be a multiple of {2 * len(grid)} with position=sincos, got {width}")
    share = width // len(grid)
    frequencies = 10000.0 ** (-torch.arange(0, share, 2) / share)
    coordinates = torch.meshgrid(*(torch.arange(side) for side in grid), indexing="ij")
    angles = [coordinate.reshape(-1, 1) * frequencies for coordinate in coordinates]
    return torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1)
