"""ImageAugment: random geometry, light, noise and erasing for a whole batch of images at once."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.core.errors import UserError


class ImageAugment:
    """Every image of the batch changes by its own random numbers, on the batch's device.

    All geometry is one affine map and one bilinear resampling; what lies outside the image takes
    the colour of its border. Values are expected with mean 0 and standard deviation 1, as
    `data/transform=image` gives them. Any strength may be 0.

    Args:
        rotation: degrees, drawn from [-rotation, rotation].
        scale: [low, high], how large the content appears; below 1 smaller, above 1 a zoomed crop.
        translate: drawn from [-translate, translate], in parts of the width and the height.
        shear: degrees, drawn from [-shear, shear], along the rows.
        flip: the probability of a mirror image, left to right.
        brightness: what is added, drawn from [-brightness, brightness], in standard deviations.
        contrast: the distance from the image's mean is multiplied by [1 - contrast, 1 + contrast].
        noise: the standard deviation of the Gaussian noise added to each pixel.
        erase: the probability that a rectangle is set to 0, the mean (arXiv 1708.04896).
        erase_area: [low, high], the rectangle's part of the image.
    """

    def __init__(
        self,
        *,
        rotation: float,
        scale: list[float],
        translate: float,
        shear: float,
        flip: float,
        brightness: float,
        contrast: float,
        noise: float,
        erase: float,
        erase_area: list[float],
    ) -> None:
        for name, value in (
            ("flip", flip),
            ("erase", erase),
            ("translate", translate),
            ("contrast", contrast),
        ):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {value}")
        for name, value in (("rotation", rotation), ("brightness", brightness), ("noise", noise)):
            if not value >= 0:
                raise ValueError(f"{name} must be 0 or more, got {value}")
        if not 0 <= shear < 90:
            raise ValueError(f"shear must be 0 or more and less than 90 degrees, got {shear}")
        if len(scale) != 2 or not 0 < scale[0] <= scale[1]:
            raise ValueError(f"scale must be [low, high] with 0 < low <= high, got {scale}")
        if len(erase_area) != 2 or not 0 <= erase_area[0] <= erase_area[1] <= 1:
            raise ValueError(f"erase_area must be [low, high] with 0 <= low <= high <= 1, got {erase_area}")
        self.rotation, self.scale, self.translate = rotation, scale, translate
        self.shear, self.flip = shear, flip
        self.brightness, self.contrast, self.noise = brightness, contrast, noise
        self.erase, self.erase_area = erase, erase_area
        self.shifts = not translate == flip == 0
        self.moves = self.shifts or not (rotation == shear == 0 and scale[0] == scale[1] == 1)

    def __call__(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W), of the same dtype.

        Raises:
            UserError: the inputs are no images.
        """
        _require_images(inputs)
        images = _moved(inputs, self._theta(inputs)) if self.moves else inputs
        if self.brightness or self.contrast:
            images = self._light(images)
        if self.noise:
            images = images + self.noise * torch.randn_like(images)
        return self._erase(images) if self.erase else images

    def weak(self, inputs: Tensor) -> Tensor:
        """The mirror image and the shift alone, the weak augmentation of arXiv 2001.07685, section 2.3.

        (B, C, H, W) -> (B, C, H, W), of the same dtype.

        Raises:
            UserError: the inputs are no images.
        """
        _require_images(inputs)
        return _moved(inputs, self._shift(inputs)) if self.shifts else inputs

    def _shift(self, images: Tensor) -> Tensor:
        """(B, 2, 3): as `_theta`, upright and in its own size."""
        right, down, chance = torch.rand(3, len(images), device=images.device, dtype=images.dtype)
        side = torch.where(chance < self.flip, -1.0, 1.0).to(images.dtype)
        still = torch.zeros_like(side)
        across = torch.stack([side, still, 2 * self.translate * (2 * right - 1)])
        along = torch.stack([still, torch.ones_like(side), 2 * self.translate * (2 * down - 1)])
        return torch.stack([across, along]).permute(2, 0, 1)

    def _theta(self, images: Tensor) -> Tensor:
        """(B, 2, 3): for each pixel of the result, where in the image to look.

        Positions run from -1 to 1 along each side, so an angle needs the sides' ratio.
        """
        height, width = images.shape[2:]
        drawn = torch.rand(6, len(images), device=images.device, dtype=images.dtype)
        angle, shear, right, down = 2 * drawn[:4] - 1
        angle, shear = angle * math.radians(self.rotation), torch.tan(shear * math.radians(self.shear))
        low, high = (math.log(bound) for bound in self.scale)
        zoom = torch.exp(-(low + (high - low) * drawn[4]))
        side = torch.where(drawn[5] < self.flip, -zoom, zoom)
        cosine, sine = torch.cos(angle), torch.sin(angle)
        ratio = height / width
        across = torch.stack(
            [side * cosine, side * (shear * cosine - sine) * ratio, 2 * self.translate * right]
        )
        along = torch.stack([zoom * sine / ratio, zoom * (shear * sine + cosine), 2 * self.translate * down])
        return torch.stack([across, along]).permute(2, 0, 1)

    def _light(self, images: Tensor) -> Tensor:
        drawn = 2 * torch.rand(2, len(images), 1, 1, 1, device=images.device, dtype=images.dtype) - 1
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        return mean + (images - mean) * (1 + self.contrast * drawn[0]) + self.brightness * drawn[1]

    def _erase(self, images: Tensor) -> Tensor:
        """Rectangles of random area, sides' ratio (1:3 to 3:1) and place; parts outside are cut off."""
        count, _, height, width = images.shape
        chosen, area, aspect, top, left = torch.rand(5, count, 1, 1, device=images.device)
        low, high = self.erase_area
        area = low + (high - low) * area
        aspect = torch.exp((2 * aspect - 1) * math.log(3))
        tall, wide = height * torch.sqrt(area * aspect), width * torch.sqrt(area / aspect)
        y = torch.arange(height, device=images.device).view(1, -1, 1)
        x = torch.arange(width, device=images.device).view(1, 1, -1)
        inside = ((y - top * (height - 1)).abs() < tall / 2) & ((x - left * (width - 1)).abs() < wide / 2)
        erased = inside & (chosen < self.erase)
        return images.masked_fill(erased.unsqueeze(1), 0)


def _moved(images: Tensor, theta: Tensor) -> Tensor:
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _require_images(inputs: Tensor) -> None:
    if inputs.dim() != 4:
        raise UserError(
            f"data/augment=image changes images, and a sample has the shape {tuple(inputs.shape[1:])}",
            "use data/augment=tabular or data/augment=none",
            key="data/augment",
        )
