"""FT-Transformer: a transformer over the columns of a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from harness.model.category_vectors import CategoryVectors, numbers_of
from harness.model.numeric_embedding import Numeric, embedding_of
from harness.model.option_checks import check_share
from harness.model.pretrained_weights import load
from harness.model.transformer import FeatureTokens


class FTTransformer(nn.Module):
    """(B, F) -> (B, width): a token per column and one more, whose output is the representation.

    Gorishniy et al. 2021, "Revisiting Deep Learning Models for Tabular Data" (arXiv 2106.11959, section 3.3),
    as in the authors' package `rtdl_revisiting_models`: no norm before the first attention, ReGLU in the
    perceptrons, and in the last block only the extra token asks. Norm and ReLU of their head come last here;
    the linear layer above belongs to the trainer.

    Args:
        width: of each token and of the representation.
        depth: blocks.
        heads: of the attention; they divide the width.
        mlp_ratio: hidden units of each perceptron per unit of width.
        attention_dropout, mlp_dropout, residual_dropout: shares zeroed in training.
        codes: of the last columns, which are codes of categories: each has a token of its own for each code,
            and a bias.
        numeric: embeds the columns that are numbers; the others keep the linear tokens.

    Raises:
        ValueError: an option is out of range.
    """

    takes: ClassVar[tuple[str, ...]] = ("row",)

    def __init__(
        self,
        shape: tuple[int, ...],
        codes: Sequence[int] = (),
        *,
        width: int,
        depth: int,
        heads: int,
        mlp_ratio: float,
        attention_dropout: float,
        mlp_dropout: float,
        residual_dropout: float,
        numeric: Numeric | Literal["auto"] | None = None,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        _check(width, depth, heads, mlp_ratio)
        for name, share in (
            ("attention_dropout", attention_dropout),
            ("mlp_dropout", mlp_dropout),
            ("residual_dropout", residual_dropout),
        ):
            check_share(name, share)
        (columns,) = shape
        bound = width**-0.5
        self.cls = nn.Parameter(torch.empty(width).uniform_(-bound, bound))
        self.tokens = FeatureTokens(columns - len(codes), width)
        self.category = CategoryTokens(codes, width) if codes else None
        self.numeric = embedding_of(numeric, columns - len(codes), width)
        hidden = int(width * mlp_ratio)
        self.blocks = nn.ModuleList(
            TokenBlock(
                width, heads, hidden, (attention_dropout, mlp_dropout, residual_dropout), first=not place
            )
            for place in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.width = width
        if weights is not None:
            load(self, weights)

    def fit_inputs(self, inputs: Tensor) -> None:
        """Fits the embedding of numbers to the training rows, (n, F)."""
        if self.numeric is not None:
            self.numeric.fit_inputs(numbers_of(inputs, self.category))

    def _columns(self, inputs: Tensor) -> Tensor:
        """(B, F) -> (B, F, D), a token for each column."""
        numbers, vectors = (inputs, None) if self.category is None else self.category.split(inputs)
        columns: Tensor = self.tokens(numbers)
        if self.numeric is not None:
            columns = torch.where(self.numeric.numbers, self.numeric.vectors(numbers), columns)
        return columns if vectors is None else torch.cat([columns, vectors], dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        columns = self._columns(inputs)
        # `len(inputs)` would fix the batch size when the model is exported.
        tokens = torch.cat([self.cls.expand(inputs.shape[0], 1, -1), columns], dim=1)
        for place, block in enumerate(self.blocks, 1):
            tokens = block(tokens, alone=place == len(self.blocks))
        representation: Tensor = self.norm(tokens[:, 0]).relu()
        return representation


class CategoryTokens(CategoryVectors):
    """Token j is the vector of code x_j + bias_j (arXiv 2106.11959, section 3.3): (B, C) -> (B, C, D)."""

    def __init__(self, codes: Sequence[int], width: int) -> None:
        bound = width**-0.5
        super().__init__(codes, width, scale=bound)
        self.bias = nn.Parameter(torch.empty(len(codes), width).uniform_(-bound, bound))

    def split(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """(B, F) -> the columns before the codes (B, F - C), and the tokens (B, C, D)."""
        numbers, vectors = super().split(inputs)
        return numbers, vectors + self.bias


def _check(width: int, depth: int, heads: int, mlp_ratio: float) -> None:
    for name, number in (("width", width), ("depth", depth), ("heads", heads)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    if width % heads:
        raise ValueError(f"width must be a multiple of heads ({heads}), got {width}")
    if int(width * mlp_ratio) < 1:
        raise ValueError(f"mlp_ratio must leave at least one hidden unit, got {mlp_ratio}")


class TokenBlock(nn.Module):
    """Attention, then a ReGLU perceptron per token, each added to its input: (B, T, D) -> (B, T, D).

    Args:
        dropouts: of the attention, of the perceptron's hidden units, and of what is added.
        first: without a norm before the attention.
    """

    def __init__(
        self, width: int, heads: int, hidden: int, dropouts: tuple[float, float, float], *, first: bool
    ) -> None:
        super().__init__()
        self.heads = heads
        self.attention_dropout, mlp_dropout, added = dropouts
        self.norm1: nn.Module = nn.Identity() if first else nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.gates = nn.Linear(width, 2 * hidden)
        self.back = nn.Linear(hidden, width)
        self.mlp_dropout, self.dropout = nn.Dropout(mlp_dropout), nn.Dropout(added)
        for linear in (self.qkv, self.out):
            nn.init.zeros_(linear.bias)

    def forward(self, tokens: Tensor, *, alone: bool) -> Tensor:
        """`alone`: only the first token is changed and returned, (B, 1, D)."""
        mixed = self.dropout(self._attend(self.norm1(tokens), alone))
        tokens = (tokens[:, :1] if alone else tokens) + mixed
        value, gate = self.gates(self.norm2(tokens)).chunk(2, dim=-1)
        changed: Tensor = tokens + self.dropout(self.back(self.mlp_dropout(value * gate.relu())))
        return changed

    def _attend(self, tokens: Tensor, alone: bool) -> Tensor:
        query, key, value = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if alone:
            query = query[:, :, :1]
        dropout = self.attention_dropout if self.training else 0.0
        mixed = scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        attended: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return attended
