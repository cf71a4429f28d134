"""harness/model/convnet.py"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.model.convnet import ConvNet

DEFAULT: dict[str, Any] = {"widths": [32, 64, 128], "depth": 1, "dropout": 0.0}


def test_the_default_has_92896_parameters_on_grey_images() -> None:
    model = ConvNet((1, 8, 8), **DEFAULT)
    convolutions = 9 * (1 * 32 + 32 * 64 + 64 * 128)
    norms = 2 * (32 + 64 + 128)
    assert sum(each.numel() for each in model.parameters()) == convolutions + norms == 92_896
    assert model.width == 128


def test_stages_convolve_normalise_rectify_halve_and_average() -> None:
    model = ConvNet((3, 8, 8), widths=[4, 6], depth=2, dropout=0.0).eval()
    convolutions = [each.weight for each in model.modules() if isinstance(each, nn.Conv2d)]
    images = torch.randn(2, 3, 8, 8)

    def layer(maps: torch.Tensor, number: int) -> torch.Tensor:
        # A fresh batch normalisation divides by the root of 1 + eps and adds nothing.
        return F.conv2d(maps, convolutions[number], padding=1).div((1 + 1e-5) ** 0.5).clamp(min=0)

    maps = F.max_pool2d(layer(layer(images, 0), 1), 2)
    expected = layer(layer(maps, 2), 3).mean(dim=(2, 3))
    torch.testing.assert_close(model(images), expected)


@pytest.mark.parametrize(("side", "last"), [(1, 1), (4, 1), (7, 2), (8, 2), (9, 3), (28, 7), (32, 8)])
def test_halving_rounds_up_so_that_images_of_any_size_fit(side: int, last: int) -> None:
    model = ConvNet((1, side, side), **DEFAULT).eval()
    assert model.stages(torch.randn(1, 1, side, side)).shape == (1, 128, last, last)


def test_dropout_zeroes_channels_in_training_only() -> None:
    model = ConvNet((1, 8, 8), widths=[2000], depth=1, dropout=0.5)
    images = torch.randn(2, 1, 8, 8)
    assert (model.train()(images) == 0).float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert (model.eval()(images) != 0).float().mean().item() > 0.95


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"widths": []}, r"widths must be one or more numbers of at least 1, got \[\]"),
        ({"widths": [0]}, r"widths must be one or more numbers of at least 1, got \[0\]"),
        ({"depth": 0}, "depth must be at least 1, got 0"),
        ({"dropout": 1.0}, r"dropout must be at least 0 and below 1, got 1\.0"),
    ],
)
def test_an_option_out_of_range_is_refused(option: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConvNet((1, 8, 8), **{**DEFAULT, **option})
