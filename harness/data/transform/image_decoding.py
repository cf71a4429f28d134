"""Decode: an image file, or its bytes, as pixels in the unit of eight bits."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch

from harness.core.errors import UserError
from harness.data.transform.deep_colour import is_readable, layout, read
from harness.data.transform.image_shape import Shaping

_GREY = ("1", "L", "LA", "La")


def decode(source: str | bytes, name: str, shaping: Shaping) -> np.ndarray:
    """(C, H, W) of one image, the right way up by its EXIF orientation.

    Eight bits are uint8. Grey of 16 or 32 bits and colour of 16 keep their range in the unit of eight bits:
    divided by 257, so that 65535 is 255, as float32, and float64 for 32 bits. Floating-point pixels (float32)
    stay as they are. A palette becomes its colours, and what is transparent is laid on white.

    Args:
        source: a path, or the bytes of a file.
        name: what the image is called in messages.
        shaping: what it is brought to.

    Raises:
        UserError: there is no such file, or it is no whole image.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with open_image(source) as opened:
            raw = layout(opened)
            if is_readable(raw):
                return _shaped(read(lambda: open_image(source), raw), shaping)
            opened.load()
            ImageOps.exif_transpose(opened, in_place=True)  # copies only what it turns
            if opened.mode == "F" or opened.mode.startswith("I"):
                return _many_bits(opened, shaping)
            image = _eight_bits(opened)
    except FileNotFoundError:
        raise UserError(
            f"there is no image {name}", "check the paths, which are relative to where the command was typed"
        ) from None
    # Pillow raises any of these for a broken file, depending on its format.
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


def open_image(source: str | bytes) -> Any:
    """A Pillow image whose pixels are not read yet, of a path or of the bytes of a file."""
    from PIL import Image

    return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)


def is_grey(image: Any) -> bool:
    """Whether `decode` gives one channel of a Pillow image, which may not be loaded yet."""
    return image.mode == "F" or image.mode.startswith("I") or image.mode in _GREY or layout(image) == "LA;16B"


def _many_bits(image: Any, shaping: Shaping) -> np.ndarray:
    """(C, H, W) float32 or float64 of an image in mode F, I or I;16."""
    values: Any = np.asarray(image)
    if values.dtype.kind != "f":
        values = values.astype(np.float32 if values.dtype.itemsize < 4 else np.float64) / 257
    return _shaped(values[None].copy(), shaping)


def _shaped(pixels: np.ndarray, shaping: Shaping) -> np.ndarray:
    return shaping(torch.from_numpy(pixels)[None])[0].numpy()


def _eight_bits(image: Any) -> Any:
    """The image in mode L or RGB."""
    from PIL import Image

    grey = image.mode in _GREY
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    mode = "L" if grey else "RGB"
    return image if image.mode == mode else image.convert(mode)
