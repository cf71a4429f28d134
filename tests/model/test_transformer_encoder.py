"""harness/model/transformer_encoder.py"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.model.transformer_encoder import Attention, Block, Encoder

SMALL: dict[str, Any] = {
    "width": 8,
    "depth": 2,
    "heads": 2,
    "mlp_ratio": 3,
    "dropout": 0.0,
    "pooling": "cls",
}


def naive_attention(layer: Attention, tokens: Tensor) -> Tensor:
    """Row by row, head by head, token by token."""
    batch, length, width = tokens.shape
    each = width // layer.heads
    mixed = torch.zeros_like(tokens)
    for row in range(batch):
        query, key, value = layer.qkv(tokens[row]).split(width, dim=1)
        for head in range(layer.heads):
            part = slice(head * each, (head + 1) * each)
            for i in range(length):
                scores = torch.stack([query[i, part] @ key[j, part] / each**0.5 for j in range(length)])
                weights = scores.exp() / scores.exp().sum()
                mixed[row, i, part] = sum(weights[j] * value[j, part] for j in range(length))
    return layer.out(mixed)


def test_attention_is_that_of_a_naive_loop() -> None:
    torch.manual_seed(0)
    layer = Attention(width=6, heads=3, dropout=0.0)
    tokens = torch.randn(2, 4, 6)
    with torch.no_grad():
        torch.testing.assert_close(layer(tokens), naive_attention(layer, tokens))


def test_a_block_is_the_pre_norm_layer_of_torch() -> None:
    torch.manual_seed(0)
    block = Block(width=8, heads=2, hidden=24, dropout=0.3).eval()
    reference = nn.TransformerEncoderLayer(
        8, 2, dim_feedforward=24, dropout=0.3, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    pairs = {
        "self_attn.in_proj_": "attention.qkv.",
        "self_attn.out_proj.": "attention.out.",
        "linear1.": "mlp.0.",
        "linear2.": "mlp.3.",
    }
    state = block.state_dict()
    renamed = {}
    for name in reference.state_dict():
        ours = name
        for theirs, replacement in pairs.items():
            ours = ours.replace(theirs, replacement)
        renamed[name] = state[ours]
    reference.load_state_dict(renamed)
    tokens = torch.randn(3, 5, 8)
    torch.testing.assert_close(block(tokens), reference(tokens))


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_the_encoder_takes_the_class_token_or_the_mean_of_its_normed_blocks(pooling: str) -> None:
    encoder = Encoder(**{**SMALL, "pooling": pooling})
    tokens = torch.randn(2, 5, 8)
    if encoder.cls is not None:
        nn.init.normal_(encoder.cls)
        whole = torch.cat([encoder.cls.expand(2, 1, 8), tokens], dim=1)
        expected = encoder.norm(encoder.blocks[1](encoder.blocks[0](whole)))[:, 0]
    else:
        expected = encoder.norm(encoder.blocks[1](encoder.blocks[0](tokens))).mean(dim=1)
    torch.testing.assert_close(encoder(tokens), expected)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_without_positions_the_order_of_the_tokens_is_not_seen(pooling: str) -> None:
    encoder = Encoder(**{**SMALL, "pooling": pooling})
    tokens = torch.randn(2, 5, 8)
    torch.testing.assert_close(encoder(tokens), encoder(tokens.flip(1)))


def test_dropout_changes_the_output_in_training_only() -> None:
    encoder = Encoder(**{**SMALL, "dropout": 0.5})
    tokens = torch.randn(2, 5, 8)
    assert not torch.equal(encoder.train()(tokens), encoder(tokens))
    assert torch.equal(encoder.eval()(tokens), encoder(tokens))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"depth": 0}, "depth must be at least 1, got 0"),
        ({"heads": 0}, "heads must be at least 1, got 0"),
        ({"mlp_ratio": 0.5}, r"mlp_ratio must be at least 1, got 0\.5"),
        ({"heads": 3}, r"width must be a multiple of heads \(3\), got 8"),
        ({"dropout": 1.0}, r"dropout must be at least 0 and below 1, got 1\.0"),
    ],
)
def test_an_option_out_of_range_is_refused(option: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Encoder(**{**SMALL, **option})
