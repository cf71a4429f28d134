"""harness/model/transformer.py"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from harness.model.transformer import FeatureTokens, Transformer

SMALL: dict[str, Any] = {
    "width": 8,
    "depth": 1,
    "heads": 2,
    "mlp_ratio": 2,
    "dropout": 0.0,
    "position": "sincos",
    "pooling": "mean",
}


def test_a_feature_is_its_value_times_a_vector_of_its_own_plus_another() -> None:
    tokens = FeatureTokens(features=3, width=4)
    rows = torch.randn(2, 3)
    made = tokens(rows)
    assert made.shape == (2, 3, 4)
    for row in range(2):
        for feature in range(3):
            expected = rows[row, feature] * tokens.weight[feature] + tokens.bias[feature]
            torch.testing.assert_close(made[row, feature], expected)


def test_feature_tokens_start_within_the_inverse_root_of_the_width() -> None:
    tokens = FeatureTokens(features=500, width=16)
    for values in (tokens.weight, tokens.bias):
        assert values.abs().max().item() <= 0.25
        assert values.std().item() == pytest.approx(0.25 / 3**0.5, rel=0.05)


def test_features_are_distinguished_without_positions() -> None:
    torch.manual_seed(0)
    model = Transformer((5,), **SMALL)
    rows = torch.randn(2, 5)
    assert not torch.allclose(model(rows), model(rows.flip(1)), atol=1e-3)


def test_steps_are_embedded_alike_and_distinguished_by_their_position() -> None:
    torch.manual_seed(0)
    model = Transformer((5, 3), **SMALL)
    steps = torch.randn(2, 5, 3)
    linear, position = model.embed
    torch.testing.assert_close(model(steps), model.encoder(linear(steps) + position.table))
    assert not torch.allclose(model(steps), model(steps.flip(1)), atol=1e-3)


def test_an_option_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"width must be a multiple of heads \(3\), got 8"):
        Transformer((5,), **{**SMALL, "heads": 3})
    with pytest.raises(ValueError, match="width must be a multiple of 2 with position=sincos, got 7"):
        Transformer((5, 3), **{**SMALL, "width": 7, "heads": 1})
