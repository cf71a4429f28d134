"""Shaping: images of any size and number of channels as images of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.core.errors import UserError

Fit = Literal["stretch", "crop", "pad"]

_LUMINANCE = (0.299, 0.587, 0.114)
"""Of red, green and blue, by ITU-R BT.601."""


@dataclass(frozen=True)
class Shaping:
    """How an image gets its size.

    size      (H, W), or None: all have one size already
    resize    "stretch" to it, "crop" the middle of the image scaled to cover it, or "pad" with 0 what
              the whole image, scaled into it, leaves free
    channels  1 (grey), 3 (red, green, blue), or None: as the images are
    """

    size: tuple[int, int] | None
    resize: Fit
    channels: int | None

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        """To what height and width an image is scaled, before the middle is taken or padded."""
        if self.size is None:
            return height, width
        high, wide = self.size
        if self.resize == "stretch":
            return high, wide
        ratios = high / height, wide / width
        if self.resize == "crop":
            return max(high, round(height * max(ratios))), max(wide, round(width * max(ratios)))
        return max(1, round(height * min(ratios))), max(1, round(width * min(ratios)))

    def framed(self, images: Tensor) -> Tensor:
        """(…, h, w) -> (…, H, W): the middle of what is larger, zeros around what is smaller."""
        if self.size is None or tuple(images.shape[-2:]) == self.size:
            return images
        before, after = [], []
        for wanted, actual in zip(self.size, images.shape[-2:], strict=True):
            before.append((wanted - actual) // 2)
            after.append(wanted - actual - before[-1])
        # A negative padding cuts off.
        return F.pad(images, (before[1], after[1], before[0], after[0]))

    def __call__(self, images: Tensor) -> Tensor:
        """(B, c, h, w) float32 or float64 -> (B, C, H, W) of the same type.

        Raises:
            UserError: the channels cannot be made of those that there are.
        """
        images = self._channelled(images)
        scaled = self.scaled(*images.shape[-2:])
        if scaled != tuple(images.shape[-2:]):
            images = F.interpolate(images, size=scaled, mode="bilinear", antialias=True)
        return self.framed(images)

    def _channelled(self, images: Tensor) -> Tensor:
        channels = images.shape[1]
        if self.channels in (None, channels):
            return images
        if (channels, self.channels) == (1, 3):
            return images.repeat(1, 3, 1, 1)
        if (channels, self.channels) == (3, 1):
            return (images * torch.tensor(_LUMINANCE)[:, None, None]).sum(dim=1, keepdim=True)
        raise UserError(
            f"data.transform.channels={self.channels} cannot be made of images with {channels} channels",
            "set data.transform.channels=null",
            key="data.transform.channels",
        )
