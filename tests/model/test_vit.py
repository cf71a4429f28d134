"""harness/model/vit.py"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from harness.core.errors import UserError
from harness.model.vit import ViT, patch_side

SMALL: dict[str, Any] = {
    "patch": "auto",
    "width": 8,
    "depth": 1,
    "heads": 2,
    "mlp_ratio": 2,
    "dropout": 0.0,
    "position": "learned",
    "pooling": "mean",
}


@pytest.mark.parametrize(
    ("height", "width", "side"),
    [(4, 4, 2), (7, 7, 1), (8, 8, 2), (28, 28, 4), (32, 32, 4), (32, 48, 4), (64, 64, 8), (224, 224, 14)],
)
def test_auto_is_the_largest_common_divisor_up_to_the_root_of_the_shorter_side(
    height: int, width: int, side: int
) -> None:
    assert patch_side(height, width, "auto") == side


def test_a_patch_that_is_named_is_kept() -> None:
    model = ViT((1, 8, 12), **{**SMALL, "patch": 4})
    assert model.position.table.shape == (6, 8)


def test_each_patch_is_embedded_linearly_in_the_order_of_reading() -> None:
    model = ViT((3, 4, 6), **{**SMALL, "patch": 2})
    seen: list[torch.Tensor] = []
    model.position.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = torch.randn(2, 3, 4, 6)
    model(images)
    matrix, bias = model.embed.weight.reshape(8, 12), model.embed.bias
    for row in range(2):
        for column in range(3):
            pixels = images[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].reshape(2, 12)
            torch.testing.assert_close(seen[0][:, row * 3 + column], pixels @ matrix.T + bias)


def test_position_makes_the_place_of_a_patch_count() -> None:
    torch.manual_seed(0)
    model = ViT((1, 8, 8), **{**SMALL, "position": "sincos"})
    image = torch.randn(1, 1, 8, 8)
    moved = image.roll(2, dims=3)
    assert not torch.allclose(model(image), model(moved), atol=1e-3)


@pytest.mark.parametrize(
    ("sides", "changes", "sentence"),
    [
        ((8, 8), {"patch": 0}, "patch must be auto or at least 1, got 0"),
        ((8, 8), {"heads": 3}, r"width must be a multiple of heads \(3\), got 8"),
        ((8, 12), {"patch": 3}, r"^model\.patch must .* 3 does not divide 8 x 12 .* 1, 2, 4, or auto\.$"),
        ((97, 97), {}, r"^model\.patch=auto must .* 4096 .* 97 x 97 pixels are 9409; .* among 1, 97\.$"),
    ],
)
def test_an_option_that_does_not_fit_the_image_is_refused(
    sides: tuple[int, int], changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises((ValueError, UserError), match=sentence):
        ViT((1, *sides), **SMALL | changes)
