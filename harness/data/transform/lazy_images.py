"""Images that are read on demand, from files or from an array on the disk."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from harness.core.errors import UserError
from harness.data.transform.image_decoding import decode
from harness.data.transform.image_shape import Shaping

_AT_ONCE = 64
"""Files that a thread decodes in a row."""

_MOST_THREADS = 16


class Source(Protocol):
    """Images as they were found, brought to one shape.

    `gapless` says that no pixel can be missing or infinite, so that none is looked for.
    """

    gapless: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""
        ...

    def read(self, rows: np.ndarray) -> Tensor:
        """The images at `rows` -> (B, C, H, W) in their own unit; not finite where missing.

        float32, or float64 where float32 would lose differences beside a large common offset.
        """
        ...


class Stack:
    """Images of an array (N, c, h, w) of numbers; one on the disk is never whole in memory."""

    def __init__(self, array: np.ndarray, shaping: Shaping) -> None:
        self._array, self._shaping = array, shaping
        self.gapless = array.dtype.kind != "f"
        self.shape = (len(array), *self.read(np.arange(1)).shape[1:])

    def read(self, rows: np.ndarray) -> Tensor:
        values = self._array[rows]
        if np.can_cast(values.dtype, np.float32):
            return self._shaping(torch.from_numpy(values.astype(np.float32)))
        values = values.astype(np.float64)
        values[np.abs(values) > np.finfo(np.float32).max] = np.inf  # counts as missing
        return self._shaping(torch.from_numpy(values))

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_array": _OnDisk.of(self._array) or self._array}

    def __setstate__(self, state: dict[str, Any]) -> None:
        array = state["_array"]
        vars(self).update({**state, "_array": array.open() if isinstance(array, _OnDisk) else array})


class Files:
    """Images of paths or of encoded bytes.

    Args:
        column: a path or the bytes of a file per row.
        shaping: what they are brought to.
        shape: (C, H, W) of each; None: that of the image at `first`.
        first: a row.
    """

    gapless = False  # floating-point files may hold NaN

    def __init__(
        self, column: pd.Series, shaping: Shaping, shape: tuple[int, ...] | None, first: int = 0
    ) -> None:
        self._images = column.to_numpy(dtype=object)
        self._column, self._shaping = str(column.name), shaping
        self._shape = self._decoded(first).shape if shape is None else shape

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""
        return (len(self._images), *self._shape)

    def read(self, rows: np.ndarray) -> Tensor:
        pixels = torch.from_numpy(self._stacked(rows))
        return pixels if pixels.is_floating_point() else pixels.float()

    def all(self) -> np.ndarray:
        """(N, C, H, W), decoded by several threads; uint8 unless an image has more than eight bits."""
        pixels = np.empty(self.shape, dtype=np.uint8)
        parts = np.split(np.arange(len(pixels)), range(_AT_ONCE, len(pixels), _AT_ONCE))
        pool = ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS))
        try:
            # Raises what the first image that cannot be decoded raised.
            for rows, images in zip(parts, pool.map(self._stacked, parts), strict=True):
                if not np.can_cast(images.dtype, pixels.dtype):
                    pixels = pixels.astype(np.result_type(pixels, images))
                pixels[rows] = images
        finally:
            pool.shutdown(cancel_futures=True)
        return pixels

    def _stacked(self, rows: np.ndarray) -> np.ndarray:
        """(B, C, H, W) of the widest type among the images at `rows`."""
        return np.stack([self._right(row) for row in rows])

    def _right(self, row: int) -> np.ndarray:
        pixels = self._decoded(row)
        if pixels.shape != self._shape:
            raise UserError(
                f"image {self._name(row)} is {_words(pixels.shape)}, and the first is {_words(self._shape)}",
                f"give all one shape with data.transform.size=[{self._shape[1]},{self._shape[2]}] and "
                f"data.transform.channels={max(self._shape[0], pixels.shape[0])}",
            )
        return pixels

    def _decoded(self, row: int) -> np.ndarray:
        image = self._images[row]
        if not isinstance(image, str | bytes | os.PathLike):
            raise UserError(
                f"column {self._column!r} must hold a path or an encoded image in every row, and holds "
                f"{image!r} in row {row}",
                "correct the column, or leave the row out",
            )
        return decode(image if isinstance(image, bytes) else os.fspath(image), self._name(row), self._shaping)

    def _name(self, row: int) -> str:
        image = self._images[row]
        return f"in row {row}" if isinstance(image, bytes) else os.fspath(image)


class Pictures:
    """`Rows` of a source, each channel less its mean and divided by its deviation.

    A pixel that is missing or infinite becomes its channel's mean.
    """

    def __init__(self, source: Source, mean: np.ndarray, deviation: np.ndarray | None) -> None:
        self._source = source
        self._mean = torch.from_numpy(mean)[:, None, None]
        self._deviation = None if deviation is None else torch.from_numpy(deviation)[:, None, None]

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""
        return self._source.shape

    def take(self, rows: np.ndarray) -> Tensor:
        """The images at `rows` -> (B, C, H, W) float32."""
        images = self._source.read(rows)
        mean = self._mean.to(images.dtype)
        if not self._source.gapless:
            images = torch.where(images.isfinite(), images, mean)
        if self._deviation is not None:
            images = images.sub_(mean).div_(self._deviation.to(images.dtype))
        return images.float()


class Moments:
    """Mean and deviation of each channel, of images that come some at a time.

    Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances" (1979), so that no pixel is read twice.
    """

    def __init__(self, channels: int) -> None:
        self.count, self.mean, self.squares = np.zeros(channels), np.zeros(channels), np.zeros(channels)

    def add(self, pixels: np.ndarray) -> None:
        """(B, C, P) float64; what is not finite counts as missing."""
        known = np.isfinite(pixels)
        counted = known.sum(axis=(0, 2))
        count = np.maximum(counted, 1)
        mean = np.where(known, pixels, 0).sum(axis=(0, 2)) / count
        distance = np.where(known, pixels - mean[:, None], 0)
        squares = (distance**2).sum(axis=(0, 2))
        if not self.count.any():
            self.count, self.mean, self.squares = counted, mean, squares
            return
        whole = np.maximum(self.count + counted, 1)
        apart = mean - self.mean
        self.mean = self.mean + apart * counted / whole
        self.squares = self.squares + squares + apart**2 * self.count * counted / whole
        self.count = self.count + counted

    @property
    def deviation(self) -> np.ndarray:
        """(C,) and 1 for a channel of one colour, which has no spread to divide by."""
        deviation = np.sqrt(self.squares / np.maximum(self.count, 1))
        return np.where(deviation > 0, deviation, 1.0)


def in_turn(source: Source, rows: np.ndarray, cells: int = 2**20) -> Iterator[np.ndarray]:
    """(B, C, P) float64 of `rows`, so many at a time that `cells` numbers are in memory."""
    _, channels, height, width = source.shape
    step = max(1, cells // (channels * height * width))
    for first in range(0, len(rows), step):
        images = source.read(rows[first : first + step])
        yield images.double().reshape(len(images), channels, -1).numpy()


@dataclass(frozen=True)
class _OnDisk:
    """Where a memory-mapped array lies: what worker processes are sent in its place."""

    path: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    order: str

    @classmethod
    def of(cls, array: np.ndarray) -> _OnDisk | None:
        """None where the array is not the whole of a mapping."""
        base: Any = array.base
        if not isinstance(array, np.memmap) or not isinstance(base, mmap.mmap) or not array.filename:
            return None
        order = "C" if array.flags.c_contiguous else "F"
        return cls(os.fspath(array.filename), array.dtype.str, array.shape, array.offset, order)

    def open(self) -> np.ndarray:
        order: Any = self.order
        return np.memmap(
            self.path, dtype=self.dtype, mode="r", offset=self.offset, shape=self.shape, order=order
        )


def _words(shape: tuple[int, ...]) -> str:
    """(1, 8, 6) as `8 x 6 in grey`."""
    channels, height, width = shape
    return f"{height} x {width} in {'grey' if channels == 1 else 'colour'}"
