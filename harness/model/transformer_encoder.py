"""The transformer encoder that `vit` and `transformer` share."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from harness.model.option_checks import check_share


class Attention(nn.Module):
    """Multi-head self-attention (arXiv 1706.03762, section 3.2): (B, T, D) -> (B, T, D)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        mixed = scaled_dot_product_attention(query, key, value, dropout_p=dropout)  # (B, heads, T, D / heads)
        attended: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return attended


class Block(nn.Module):
    """Attention, then a perceptron per token, each added to its input: (B, T, D) -> (B, T, D).

    Pre-norm: each branch normalises its input (arXiv 2002.04745), which trains without warm-up.
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        mixed: Tensor = tokens + self.dropout(self.attention(self.norm1(tokens)))
        changed: Tensor = mixed + self.dropout(self.mlp(self.norm2(mixed)))
        return changed


class Encoder(nn.Module):
    """`depth` blocks and a last norm, then one vector for all tokens: (B, T, D) -> (B, D).

    pooling    "cls": a learned token is put before the others and its output is taken
               (arXiv 1810.04805); "mean": the average of all outputs
    mlp_ratio  hidden width of the perceptrons as a multiple of `width`

    Raises:
        ValueError: a number below 1, a dropout outside [0, 1), or heads that do not divide the width.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        mlp_ratio: float,
        dropout: float,
        pooling: Literal["cls", "mean"],
    ) -> None:
        super().__init__()
        for name, number in (("width", width), ("depth", depth), ("heads", heads), ("mlp_ratio", mlp_ratio)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}")
        if width % heads:
            raise ValueError(f"width must be a multiple of heads ({heads}), got {width}")
        check_share("dropout", dropout)
        hidden = int(width * mlp_ratio)
        self.cls = nn.Parameter(torch.zeros(1, 1, width)) if pooling == "cls" else None
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(width, heads, hidden, dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        if self.cls is not None:
            # `len(tokens)` would fix the batch size when the model is exported.
            tokens = torch.cat([self.cls.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        tokens = self.norm(self.blocks(self.dropout(tokens)))
        return tokens.mean(dim=1) if self.cls is None else tokens[:, 0]
