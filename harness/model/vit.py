"""A small vision transformer (arXiv 2010.11929)."""

from __future__ import annotations

from math import gcd, isqrt
from typing import ClassVar, Literal

from torch import Tensor, nn

from harness.core.errors import UserError
from harness.model.position_encoding import Position
from harness.model.pretrained_weights import load
from harness.model.transformer_encoder import Encoder

MOST_PATCHES = 4096
"""`patch=auto` refuses to cut an image into more: attention takes their square in time."""


class ViT(nn.Module):
    """Cuts the image into square patches, embeds each linearly and encodes them: (B, C, H, W) -> (B, width).

    patch               side in pixels, a divisor of height and width; "auto": see `patch_side`
    depth, heads        number of blocks, and of attention heads in each
    mlp_ratio, pooling  see `harness.model.transformer_encoder.Encoder`
    position            see `harness.model.position_encoding.Position`

    Raises:
        ValueError: an option out of range.
        UserError: the patch does not divide the images.
    """

    takes: ClassVar[tuple[str, ...]] = ("image",)

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        patch: int | Literal["auto"],
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
        channels, height, across = shape
        side = patch_side(height, across, patch)
        self.embed = nn.Conv2d(channels, width, kernel_size=side, stride=side)
        # As a linear layer over the pixels of a patch, which is what it is.
        nn.init.xavier_uniform_(self.embed.weight.flatten(1))
        self.position = Position((height // side, across // side), width, position)
        self.encoder = encoder  # registered after what lies below it, as layers are counted
        self.width = width
        if weights is not None:
            load(self, weights)

    def forward(self, inputs: Tensor) -> Tensor:
        patches = self.embed(inputs).flatten(2).transpose(1, 2)  # (B, T, width)
        representation: Tensor = self.encoder(self.position(patches))
        return representation


def patch_side(height: int, width: int, patch: int | Literal["auto"]) -> int:
    """The side of a patch in pixels.

    "auto" is the largest common divisor of both sides that is no larger than the root of the
    shorter one, so that an image has at least as many patches along a side as a patch has pixels:
    2 for 8 x 8, 4 for 28 x 28 and 32 x 32, 14 for 224 x 224.

    Raises:
        ValueError: the patch is below 1.
        UserError: the patch does not divide both sides, or "auto" finds none of use.
    """
    divisors = [side for side in range(1, gcd(height, width) + 1) if height % side == width % side == 0]
    choice = ", ".join(map(str, divisors))
    if patch == "auto":
        side = max(side for side in divisors if side <= isqrt(min(height, width)))
        if height * width // side**2 > MOST_PATCHES:
            raise UserError(
                f"model.patch=auto must cut an image into at most {MOST_PATCHES} patches, and images of "
                f"{height} x {width} pixels are {height * width // side**2}",
                f"resize them, or choose model.patch among {choice}",
                key="model.patch",
            )
        return side
    if patch < 1:
        raise ValueError(f"patch must be auto or at least 1, got {patch}")
    if patch not in divisors:
        raise UserError(
            f"model.patch must divide both sides of the images, and {patch} does not divide "
            f"{height} x {width} pixels",
            f"choose model.patch among {choice}, or auto",
            key="model.patch",
        )
    return patch
