"""Deep colour: all 16 bits of a colour image or of grey with alpha, of which Pillow reads the upper 8."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_UPPER_AND_LOWER = ("RGB;16", "RGBA;16")
"""Layouts in a file; with the order of the two bytes reversed, Pillow reads the lower 8 bits."""

_REVERSED = {"B": "L", "L": "B", "N": "B"}
_GREY_WITH_ALPHA = "LA;16B"
_OTHER = ";16"
_NAMED_BY_VALUE = ("I", "F")


def layout(image: Any) -> str:
    """How a pixel lies in the file of an image that was opened and not yet loaded: `RGB;16B`, `L`; or ""."""
    if not image.tile:
        return ""
    arguments = image.tile[0].args
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def is_readable(raw: str) -> bool:
    """Whether `read` gives all bits of this layout."""
    return raw == _GREY_WITH_ALPHA or (raw[:-1] in _UPPER_AND_LOWER and raw[-1] in _REVERSED)


def is_cut(image: Any) -> bool:
    """Whether only the upper 8 of 16 bits can be read of an image that was opened and not yet loaded."""
    raw = layout(image)
    return _OTHER in raw and not image.mode.startswith(_NAMED_BY_VALUE) and not is_readable(raw)


def read(reopen: Callable[[], Any], raw: str) -> np.ndarray:
    """(C, H, W) float32 in the unit of eight bits: 65535 is 255. What is transparent is laid on white.

    Args:
        reopen: opens the file anew.
        raw: its layout, a readable one.
    """
    if raw == _GREY_WITH_ALPHA:
        pixels = _loaded(reopen(), "RGBA")  # the four bytes of a pixel as they are
        values = pixels[..., 0::2] * 256.0 + pixels[..., 1::2]
    else:
        upper, lower = (_loaded(reopen(), known) for known in (raw, raw[:-1] + _REVERSED[raw[-1]]))
        values = upper * 256.0 + lower
    if values.shape[2] in (2, 4):
        opaque = values[..., -1:] / 65535
        values = values[..., :-1] * opaque + 65535 * (1 - opaque)
    return np.ascontiguousarray((values / 257).astype(np.float32).transpose(2, 0, 1))


def _loaded(image: Any, raw: str) -> np.ndarray:
    """(H, W, C) uint8, read in the given layout, the right way up."""
    from PIL import ImageOps

    with image:
        image.tile = [part._replace(args=_with_layout(part.args, raw)) for part in image.tile]
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return np.asarray(image)


def _with_layout(arguments: Any, raw: str) -> Any:
    return (raw, *arguments[1:]) if isinstance(arguments, tuple) else raw
