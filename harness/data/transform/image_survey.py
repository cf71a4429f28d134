"""Image survey: shapes and depths of all images, from the beginnings of their files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from harness.data.transform.deep_colour import is_cut
from harness.data.transform.image_decoding import is_grey, open_image

_ORIENTATION = 0x0112
_TURNED = 5
"""From this value of EXIF's orientation on, height and width are exchanged."""


class _Found(NamedTuple):
    channels: int
    height: int
    width: int
    cut: bool


@dataclass(frozen=True)
class ImageSurvey:
    """What images are in their files.

    shapes  (n, 3) int64, channels, height and width of each image that can be read, n >= 1
    cut     how many have 16 bits of which only the upper 8 can be read
    """

    shapes: np.ndarray
    cut: int

    @property
    def channels(self) -> int:
        """3 if one of the images is in colour, else 1."""
        return int(self.shapes[:, 0].max())

    @property
    def size(self) -> list[int]:
        """Median height and median width."""
        return [int(side) for side in np.median(self.shapes[:, 1:], axis=0)]

    def differences(self) -> list[str]:
        """`heights 8 to 12`, `4 of 40 in grey`; empty where all images have one shape."""
        words = []
        for name, sides in (("height", self.shapes[:, 1]), ("width", self.shapes[:, 2])):
            if sides.min() < sides.max():
                words.append(f"{name} {sides.min()} to {sides.max()}")
        grey = int((self.shapes[:, 0] == 1).sum())
        if 0 < grey < len(self.shapes):
            words.append(f"{grey} of {len(self.shapes)} in grey")
        return words


def survey(images: Sequence[Any]) -> ImageSurvey | None:
    """Reads no pixels; leaves out what is no image, which the decoder reports. None where there is none.

    Args:
        images: paths, or bytes of files.
    """
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        readable = [each for each in threads.map(_looked_at, images) if each is not None]
    if not readable:
        return None
    return ImageSurvey(np.array([each[:3] for each in readable]), sum(each.cut for each in readable))


def _looked_at(source: Any) -> _Found | None:
    try:
        with open_image(source) as image:
            height, width = image.height, image.width
            cut, channels = is_cut(image), 1 if is_grey(image) else 3
            if image.getexif().get(_ORIENTATION, 1) >= _TURNED and image.format != "TIFF":  # which is turned
                height, width = width, height
            return _Found(channels, height, width, cut)
    except Exception:  # no file, no image, a broken header: whatever Pillow raises
        return None
