"""A small PNG of a row that is an image, as a `data:` address."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.core.table import Table

_SIDE = 96
_WIDEST = 4096


def pictures(table: Table, rows: Sequence[int]) -> dict[int, str]:
    """Row -> the `data:` address of its picture; {} where the rows are not images, or cannot be read.

    All pictures have one scale of brightness: from 0, or the least value where some are negative, to the
    greatest value of all.
    """
    if table.kind != "image" or not rows:
        return {}
    pictures_by_row = _stored(table, rows) if table.array is not None or table.shape else {}
    if pictures_by_row:
        values = np.stack(list(pictures_by_row.values()))
        low, high = min(0.0, float(np.nanmin(values))), float(np.nanmax(values))
        scaled = np.nan_to_num((values - low) / ((high - low) or 1.0)) * 255
        return {
            row: _png(image.round().astype(np.uint8))
            for row, image in zip(pictures_by_row, scaled, strict=True)
        }
    return _files(table, rows)


def _stored(table: Table, rows: Sequence[int]) -> dict[int, np.ndarray]:
    """(C, H, W) float64 from pixel columns, or from the array beside the table."""
    if table.array is not None:
        return {row: np.asarray(table.array[row], dtype=np.float64) for row in rows}
    assert table.shape is not None
    frame = table.frame[list(table.features)]
    return {row: frame.iloc[row].to_numpy(dtype=np.float64).reshape(table.shape) for row in rows}


def _files(table: Table, rows: Sequence[int]) -> dict[int, str]:
    """Of rows that name a file or contain one; rows whose file is gone are left out."""
    from PIL import Image

    files = {}
    for row in rows:
        held = table.frame[table.features[0]].iloc[row]
        try:
            with Image.open(io.BytesIO(held) if isinstance(held, bytes) else Path(held)) as image:
                if image.mode == "F" or image.mode.startswith("I"):
                    files[row] = _png(_stretched(np.asarray(image, dtype=np.float64))[None])
                    continue
                image.thumbnail((_SIDE, _SIDE))
                files[row] = _encoded(image.convert("RGB"))
        except (OSError, ValueError, TypeError, Image.DecompressionBombError):
            continue
    return files


def _stretched(values: np.ndarray) -> np.ndarray:
    """(H, W) uint8 of grey pixels of more than eight bits, the least one black and the greatest white."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    scaled = np.nan_to_num((values - low) / ((high - low) or 1.0)) * 255
    return scaled.clip(0, 255).round().astype(np.uint8)


def _png(image: np.ndarray) -> str:
    """(C, H, W) uint8: three channels in colour, else the first channel in grey; large ones are reduced."""
    from PIL import Image

    shown = np.moveaxis(image, 0, -1) if len(image) == 3 else image[0]
    step = max(1, max(shown.shape[:2]) // _WIDEST)
    drawn = Image.fromarray(np.ascontiguousarray(shown[::step, ::step]))
    drawn.thumbnail((_SIDE, _SIDE))
    return _encoded(drawn)


def _encoded(image: object) -> str:
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)  # type: ignore[attr-defined]  # Pillow has no small type for it
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
