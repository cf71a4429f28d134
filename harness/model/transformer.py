"""A transformer for rows of features and for sequences."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from harness.model.position_encoding import Position
from harness.model.pretrained_weights import load
from harness.model.transformer_encoder import Encoder


class Transformer(nn.Module):
    """One token per feature of a row, or per step of a sequence, then an encoder.

    (B, F) -> (B, width), as FT-Transformer (arXiv 2106.11959) with GELU in place of ReGLU.
    (B, T, F) -> (B, width): each step is embedded linearly and its position added. A row needs no
    positions, for each of its features has an embedding of its own.

    depth, heads        number of blocks, and of attention heads in each
    mlp_ratio, pooling  see `harness.model.transformer_encoder.Encoder`
    position            see `harness.model.position_encoding.Position`; for sequences

    Raises:
        ValueError: an option out of range.
    """

    takes: ClassVar[tuple[str, ...]] = ("row", "sequence")

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        width: int,
        depth: int,
        heads: int,
        mlp_ratio: float,
        dropout: float,
        position: Literal["learned", "sincos"],
        pooling: Literal["cls", "mean"],
        weights: str | None = None,
    ) -> None:
        super().__init__()
        encoder = Encoder(width, depth, heads, mlp_ratio, dropout, pooling)
        if len(shape) == 1:
            self.embed: nn.Module = FeatureTokens(shape[0], width)
        else:
            steps, features = shape
            self.embed = nn.Sequential(nn.Linear(features, width), Position((steps,), width, position))
        self.encoder = encoder  # registered after what lies below it, as layers are counted
        self.width = width
        if weights is not None:
            load(self, weights)

    def forward(self, inputs: Tensor) -> Tensor:
        representation: Tensor = self.encoder(self.embed(inputs))
        return representation


class FeatureTokens(nn.Module):
    """Token j is x_j * weight_j + bias_j (arXiv 2106.11959, section 3.3): (B, F) -> (B, F, D)."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        bound = width**-0.5
        self.weight = nn.Parameter(torch.empty(features, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(features, width).uniform_(-bound, bound))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.unsqueeze(-1) * self.weight + self.bias
