"""Image: pixel columns, arrays, files -> (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from harness.core.arrays import Arrays
from harness.core.errors import UserError
from harness.core.row_settings import RowSettings
from harness.core.table import Table
from harness.core.task import Task
from harness.data.transform.column_values import numbers, require
from harness.data.transform.image_shape import Fit, Shaping
from harness.data.transform.image_survey import survey
from harness.data.transform.lazy_images import Files, Moments, Pictures, Source, Stack, in_turn
from harness.data.transform.target_tensor import encode, pack, unpack
from harness.runtime.inner_path import check_listed


class Image:
    """Pixels as float32, each channel with mean 0 and standard deviation 1 over the training rows.

    Images are pixel columns, an array (N, C, H, W), or one column of paths or of encoded files; the
    last three are read when a batch needs them. A pixel that is missing or infinite becomes its
    channel's mean.

    Args:
        size: [H, W] in pixels; None: as the images are, all alike; see `settings_for`.
        resize: how an image gets its `size`: "stretch", "crop" (scaled to cover it, the middle kept)
            or "pad" (scaled into it, zeros around).
        channels: 1 (grey), 3 (red, green, blue); None: as the images are, all alike; see `settings_for`.
        normalise: False leaves the pixels in their own unit.
        statistics: of how many training images mean and deviation are taken, spread evenly over them.
    """

    def __init__(
        self,
        *,
        size: list[int] | None,
        resize: Fit,
        channels: Literal[1, 3] | None,
        normalise: bool,
        statistics: int,
    ) -> None:
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise ValueError(f"size must be [height, width] in pixels or null, got {size}")
        if statistics < 1:
            raise ValueError(f"statistics must be 1 or more images, got {statistics}")
        self.shaping = Shaping(None if size is None else (size[0], size[1]), resize, channels)
        self.normalise, self.statistics = normalise, statistics
        self.columns: Sequence[str] = ()
        self.shape: tuple[int, ...] | None = None

    def settings_for(self, table: Table) -> RowSettings:
        """`size` and `channels` of images in files, where they are None.

        Colour if one image is in colour, and the median height and width: those of every image where all
        are alike.
        """
        if table.array is not None or table.shape is not None or len(table.features) != 1:
            return RowSettings()
        images = table.frame[table.features[0]].tolist()
        _check_paths(images)
        surveyed = survey(images)
        if surveyed is None:
            return RowSettings()
        given = {"size": self.shaping.size, "channels": self.shaping.channels}
        own = {"size": surveyed.size, "channels": surveyed.channels}
        settings = RowSettings({name: value for name, value in own.items() if given[name] is None})
        if settings.values and (differences := surveyed.differences()):
            chosen = [f"data.transform.{name}={text}" for name, text in settings.texts().items()]
            settings.notes.append(
                f"the images differ ({', '.join(differences)}) and are brought to one shape by "
                f"{', '.join(chosen)}, data.transform.resize={self.shaping.resize}"
            )
        if surveyed.cut:
            settings.notes.append(
                f"only the upper 8 of 16 bits can be read of {surveyed.cut} of {len(surveyed.shapes)} "
                "images; save them as PNG to use all bits"
            )
        return settings

    def arrange(self, table: Table, holds: Callable[[int], bool]) -> Table:
        """Decodes files to an array (N, C, H, W) where the loader holds all the samples.

        It is uint8, unless an image has more than eight bits.

        Raises:
            UserError: an image cannot be decoded, or is of another shape than the first.
        """
        if table.array is not None or table.shape is not None:
            return table
        files = self._files(table, first=0)
        size = 4 * int(np.prod(files.shape))
        if not holds(size):
            return table
        return table.with_array(files.all())

    def fit(self, table: Table, rows: np.ndarray, task: Task) -> None:
        """Raises UserError: the table has no images, or the first of the training rows cannot be read."""
        self.task, self.columns, self.shape = task, table.features, None
        source = self._source(table, int(rows[0]))
        self.shape = source.shape[1:]
        drawn = rows[
            np.arange(min(len(rows), self.statistics)) * len(rows) // min(len(rows), self.statistics)
        ]
        moments = Moments(self.shape[0])
        if isinstance(source, Pixels):
            moments.add(source.numbers(drawn))
        else:
            for pixels in in_turn(source, drawn):
                moments.add(pixels)
        self.mean, self.deviation = moments.mean, moments.deviation

    def __call__(self, table: Table) -> Arrays:
        """Raises UserError: a column is missing or holds no images."""
        source = self._source(table, 0)
        targets = encode(table, self.task)
        if isinstance(source, Pixels):
            return Arrays(torch.from_numpy(self._normalised(source)), targets, self.task)
        self._require_shape(source, table)
        deviation = self.deviation if self.normalise else None
        return Arrays(Pictures(source, self.mean, deviation), targets, self.task)

    def state(self) -> dict[str, Any]:
        return {
            "columns": list(self.columns),
            "shape": list(self.shape or ()),
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
            "task": pack(self.task),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.columns, self.shape = tuple(state["columns"]), tuple(state["shape"])
        self.mean, self.deviation = np.array(state["mean"]), np.array(state["deviation"])
        self.task = unpack(state["task"])

    def _normalised(self, source: Pixels) -> np.ndarray:
        """(N, C, H, W) float32, computed in double precision."""
        pixels = source.numbers(slice(None))
        mean = self.mean[:, None]
        pixels = np.where(np.isnan(pixels), mean, pixels)
        if self.normalise:
            pixels = (pixels - mean) / self.deviation[:, None]
        return pixels.astype(np.float32).reshape(source.shape)

    def _source(self, table: Table, first: int) -> Source | Pixels:
        if table.array is not None:
            if table.array.ndim != 4 or table.array.dtype.kind not in "fiub":
                raise UserError(
                    f"data/transform=image takes an array (N, C, H, W) of numbers, and {table.name} gives "
                    f"{table.array.shape} of {table.array.dtype}",
                    "set data.extract.kind to what it holds",
                    key="data.extract.kind",
                )
            return Stack(table.array, self.shaping)
        if table.shape is None and not self._pixel_columns:
            return self._files(table, first)
        columns = self.columns or table.features
        require(table.frame, columns, table.name)
        shape = table.shape or self.shape
        pixels = Pixels(table.frame, columns, tuple(shape or ()))
        if self.shaping.size in (None, pixels.shape[2:]) and self.shaping.channels in (None, pixels.shape[1]):
            return pixels
        return Stack(pixels.numbers(slice(None)).reshape(pixels.shape), self.shaping)

    @property
    def _pixel_columns(self) -> bool:
        """Whether the transform was fitted on more columns than a path."""
        return len(self.columns) > 1

    def _files(self, table: Table, first: int) -> Files:
        columns = self.columns or table.features
        require(table.frame, columns, table.name)
        column = table.frame[columns[0]]
        if len(columns) != 1 or pd.api.types.is_numeric_dtype(column):
            raise UserError(
                f"data/transform=image needs pixel columns or one column of images, and {table.name} has "
                "neither",
                "set data.extract.kind=image and data.extract.shape=[C,H,W], or use data/transform=tabular",
                key="data.extract.kind",
            )
        _check_paths(column)
        return Files(column, self._fitted_shaping, self.shape, first)

    @property
    def _fitted_shaping(self) -> Shaping:
        """The shaping to the fitted shape; a new image may have another."""
        if self.shape is None:
            return self.shaping
        channels, *size = self.shape
        return Shaping((size[0], size[1]), self.shaping.resize, channels)

    def _require_shape(self, source: Source, table: Table) -> None:
        if source.shape[1:] != self.shape:
            raise UserError(
                f"the model was trained on images of shape {self.shape}, and {table.name} gives "
                f"{source.shape[1:]}",
                "set data.transform.size before training, or give images alike",
                key="data.transform.size",
            )


class Pixels:
    """Images of pixel columns."""

    def __init__(self, frame: pd.DataFrame, columns: Sequence[str], shape: tuple[int, ...]) -> None:
        self._frame, self._columns = frame[list(columns)], columns
        self.shape = (len(frame), *shape)

    def numbers(self, rows: np.ndarray | slice) -> np.ndarray:
        """(B, C, H * W) float64, NaN where missing."""
        pixels = numbers(self._frame.iloc[rows])
        return pixels.reshape(len(pixels), self.shape[1], -1)


def _check_paths(images: Iterable[Any]) -> None:
    """Raises OutsideFolder: a run from elsewhere lists an image that is not in the current folder."""
    check_listed(Path(), (image for image in images if isinstance(image, str)))
