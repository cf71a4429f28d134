"""harness/model/mlp.py"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from harness.model.mlp import MLP

PLAIN: dict[str, Any] = {"widths": [5, 2], "dropout": 0.0, "norm": "none", "activation": "relu"}


def test_the_layers_are_matrix_products_with_a_rectifier_after_each() -> None:
    model = MLP((3,), **PLAIN)
    first, first_bias, second, second_bias = model.state_dict().values()
    inputs = torch.randn(4, 3)
    hidden = (inputs @ first.T + first_bias).clamp(min=0)
    torch.testing.assert_close(model(inputs), (hidden @ second.T + second_bias).clamp(min=0))


def test_thirty_features_and_two_layers_of_128_make_20480_parameters() -> None:
    model = MLP((30,), **{**PLAIN, "widths": [128, 128]})
    assert sum(each.numel() for each in model.parameters()) == 30 * 128 + 128 + 128 * 128 + 128


def test_an_image_is_read_as_its_pixels_in_order() -> None:
    model = MLP((2, 3, 4), **PLAIN)
    images = torch.randn(5, 2, 3, 4)
    assert torch.equal(model(images), model.layers(images.reshape(5, 24)))


@pytest.mark.parametrize(
    ("norm", "kind"), [("none", nn.Identity), ("batch", nn.BatchNorm1d), ("layer", nn.LayerNorm)]
)
def test_norm_is_between_the_linear_layer_and_the_activation(norm: str, kind: type[nn.Module]) -> None:
    layers = MLP((3,), **{**PLAIN, "widths": [5], "norm": norm}).layers
    assert [type(layer) for layer in layers] == [nn.Linear, kind, nn.ReLU, nn.Dropout]


@pytest.mark.parametrize(
    ("activation", "at_minus_one"),
    [("relu", 0.0), ("gelu", -0.15866), ("silu", -0.26894), ("tanh", -0.76159)],
)
def test_activation_is_the_function_of_that_name(activation: str, at_minus_one: float) -> None:
    model = MLP((1,), **{**PLAIN, "widths": [1], "activation": activation})
    nn.init.ones_(model.layers[0].weight)
    nn.init.zeros_(model.layers[0].bias)
    assert model(torch.tensor([[-1.0]])).item() == pytest.approx(at_minus_one, abs=1e-5)


def test_dropout_zeroes_units_in_training_only() -> None:
    model = MLP((3,), **{**PLAIN, "widths": [4000], "dropout": 0.5, "activation": "tanh"})
    inputs = torch.randn(1, 3)
    assert (model.train()(inputs) == 0).float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert (model.eval()(inputs) != 0).all()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"widths": []}, r"widths must be one or more numbers of at least 1, got \[\]"),
        ({"widths": [4, 0]}, r"widths must be one or more numbers of at least 1, got \[4, 0\]"),
        ({"dropout": 1.0}, r"dropout must be at least 0 and below 1, got 1\.0"),
        ({"dropout": -0.1}, r"dropout must be at least 0 and below 1, got -0\.1"),
    ],
)
def test_an_option_out_of_range_is_refused(option: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MLP((3,), **{**PLAIN, **option})
