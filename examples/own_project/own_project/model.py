"""A model: maps a batch to a representation; it knows no labels and no loss."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor, nn


class Residual(nn.Module):
    """Blocks that each add something to what came in: x + W relu(V norm(x)).

    (B, *shape) -> (B, width). After He et al., arXiv:1512.03385, with layers in place of convolutions.

    width   numbers of the representation, and of all between the blocks
    blocks  how many there are

    Raises:
        ValueError: a width or a number of blocks below 1.
    """

    takes: ClassVar[tuple[str, ...]] = ("row", "image", "sequence")

    def __init__(self, shape: tuple[int, ...], *, width: int, blocks: int) -> None:
        super().__init__()
        if width < 1 or blocks < 1:
            raise ValueError(f"width and blocks must be at least 1, got {width} and {blocks}")
        self.width = width
        self.enter = nn.Linear(math.prod(shape), width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
            for _ in range(blocks)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        representation: Tensor = self.enter(inputs.flatten(1))
        for block in self.blocks:
            representation = representation + block(representation)
        return representation
