"""Decode: an image file, or its bytes, as pixels of eight bits."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch

from harness.core.errors import UserError
from harness.data.transform.image_shape import Shaping

_GREY = ("1", "L", "LA", "La")


def decode(source: str | bytes, name: str, shaping: Shaping) -> np.ndarray:
    """(C, H, W) uint8 of one image, the right way up by its EXIF orientation.

    Sixteen bits become eight, a palette its colours, and what is transparent is laid on white.

    Args:
        source: a path, or the bytes of a file.
        name: what the image is called in messages.
        shaping: what it is brought to.

    Raises:
        UserError: there is no such file, or it is no whole image.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened:
            opened.load()
            ImageOps.exif_transpose(opened, in_place=True)  # copies only what it turns
            image = _eight_bits(opened, name)
    except FileNotFoundError:
        raise UserError(
            f"there is no image {name}", "check the paths, which are relative to where the command was typed"
        ) from None
    # Pillow tells of a broken file in all of these ways, depending on its format.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, Image.DecompressionBombError) as error:
        words = "it is in no format that Pillow knows"
        if not isinstance(error, UnidentifiedImageError):
            words = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UserError(
            f"image {name} cannot be decoded: {words}", "correct the file, or take its row out of the data"
        ) from None
    if shaping.channels is not None:
        mode = "L" if shaping.channels == 1 else "RGB"
        image = image if image.mode == mode else image.convert(mode)
    height, width = shaping.scaled(image.height, image.width)
    if (width, height) != image.size:
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image).reshape(height, width, -1).transpose(2, 0, 1)
    if shaping.size in (None, (height, width)):
        return pixels
    return shaping.framed(torch.tensor(pixels)).numpy()


def _eight_bits(image: Any, name: str) -> Any:
    """The image in mode L or RGB."""
    from PIL import Image

    if image.mode == "F":
        raise UserError(
            f"image {name} holds floating-point pixels, whose range is not known",
            "store it with 8 or 16 bits",
        )
    if image.mode.startswith("I"):
        high = np.asarray(image).astype(np.int64) >> 8
        return Image.fromarray(high.clip(0, 255).astype(np.uint8))
    grey = image.mode in _GREY
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    mode = "L" if grey else "RGB"
    return image if image.mode == mode else image.convert(mode)
