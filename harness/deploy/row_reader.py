"""Reads the raw rows of a file or a folder in chunks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from harness.bundle.bundle import Bundle
from harness.bundle.raw_rows import ARRAY
from harness.core.errors import UserError
from harness.data.extract import source_files
from harness.data.extract.text_lines import COMPRESSIONS
from harness.deploy.csv_rows import Separated
from harness.deploy.parquet_rows import Columnar
from harness.deploy.row_chunk import Piece, Source

_CELLS = 2**19
"""The number of cells per chunk: some tens of megabytes as text."""

_IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")

_TEXT, _PARQUET = (".csv", ".tsv", ".txt"), (".parquet", ".pq")


def open_source(path: Path, bundle: Bundle, argument: str = "IN") -> Source:
    """The reader of a file or a folder of raw rows for a model.

    Raises:
        UserError: it does not exist, cannot be read, or has a type that is unknown or does not fit the
            model.
    """
    if path.is_dir():
        return Images(path, bundle)
    source_files.file(str(path), "IN")
    ending = ending_of(path)
    if ending == ".npy":
        return Arrays(path, bundle)
    if ending in _PARQUET:
        return Columnar(path, bundle)
    if ending in _TEXT:
        return open_text(path, bundle)
    known = ", ".join((*_TEXT, *_PARQUET))
    raise UserError(
        f"{argument} must be a folder of images, or end in {known} or .npy, got {path}",
        "rename it, or convert it",
        key=argument,
        value=str(path),
    )


def open_text(text: Path | bytes, bundle: Bundle) -> Separated:
    """The reader of a text file, or of the content of one.

    Raises:
        UserError: it cannot be read, or the model takes arrays.
    """
    if bundle.array is not None:
        name = "the body" if isinstance(text, bytes) else f"IN={text}"
        raise UserError(
            f"{name} is text, and this model reads {_words(bundle)}",
            f"give a .npy file, or a .parquet with a column {ARRAY!r}",
        )
    return Separated(text, bundle)


def ending_of(path: Path) -> str:
    """The ending that shows the format, in lower case: `.csv` for `rows.csv.gz`."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in COMPRESSIONS else suffix


def rows_at_once(bundle: Bundle, batch: int) -> int:
    """Rows per chunk: a multiple of `batch`, so that the batches are those of one call with all rows."""
    width = len(bundle.columns) if bundle.array is None else prod(bundle.array)
    return batch * max(1, _CELLS // (batch * max(1, width)))


class Images:
    """All image files below a folder, sorted by path; hidden files are ignored.

    The path column of the model is written relative to the folder.
    """

    def __init__(self, folder: Path, bundle: Bundle) -> None:
        if bundle.kind != "image" or bundle.image or bundle.array or len(bundle.columns) != 1:
            raise UserError(
                f"IN={folder} is a folder, which a model of image files takes, and this one reads "
                f"{_words(bundle)}",
                "name a file",
            )
        self.columns = list(bundle.columns)
        suffixes = bundle.config.get("data", {}).get("extract", {}).get("suffixes")
        endings = tuple(suffixes or _IMAGES)
        self._folder = folder
        self._names = _below(folder, endings)
        if not self._names:
            raise UserError(f"IN={folder} holds no file that ends in {' or '.join(endings)}", "name another")

    def pieces(self, size: int | None) -> Iterator[Piece]:
        (column,) = self.columns
        step = size or len(self._names)
        for first in range(0, len(self._names), step):
            names = self._names[first : first + step]
            rows = pd.DataFrame({column: [str(self._folder / name) for name in names]})
            rows.index = pd.RangeIndex(first, first + len(names))
            yield Piece(rows, pa.table({column: names}))


class Arrays:
    """A .npy file (N, …), which is memory-mapped; the output has the row number in the column `row`."""

    def __init__(self, path: Path, bundle: Bundle) -> None:
        if bundle.array is None:
            raise UserError(
                f"IN={path} is an array, which a model of arrays takes, and this one reads {_words(bundle)}",
                "give a .csv or .parquet file with these columns",
            )
        self.columns = [ARRAY]
        try:
            whole = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError):
            raise UserError(f"IN={path} is no whole .npy file of numbers", "save it anew") from None
        extract = bundle.config.get("data", {}).get("extract", {})
        if whole.ndim == 4 and extract.get("layout") == "channels_last":
            whole = whole.transpose(0, 3, 1, 2)
        if whole.ndim == 3 and bundle.kind == "image":
            whole = whole[:, None]
        if whole.shape[1:] != bundle.array or whole.dtype.kind not in "biuf":
            raise UserError(
                f"IN={path} must hold numbers of shape (N, {', '.join(map(str, bundle.array))}), as in "
                f"training, got {whole.shape} of {whole.dtype}",
                "give rows as the data source gives them",
            )
        self._whole = whole

    def pieces(self, size: int | None) -> Iterator[Piece]:
        step = size or max(1, len(self._whole))
        for first in range(0, len(self._whole), step):
            part = np.array(self._whole[first : first + step])
            index = pd.RangeIndex(first, first + len(part))
            rows = pd.DataFrame({ARRAY: pd.Series(list(part), index=index, dtype=object)})
            yield Piece(rows, pa.table({"row": np.arange(first, first + len(part))}))


def _below(folder: Path, endings: tuple[str, ...]) -> list[str]:
    paths = []
    for place, inner, names in os.walk(folder, followlinks=True):
        inner[:] = [name for name in inner if not name.startswith(".")]
        taken = [name for name in names if name.lower().endswith(endings) and name[0] != "."]
        paths += [os.path.relpath(Path(place, name), folder) for name in taken]
    return sorted(paths)


def _words(bundle: Bundle) -> str:
    if bundle.array is not None:
        return f"arrays of shape {bundle.array}"
    count = len(bundle.columns)
    return f"the column {next(iter(bundle.columns))!r}" if count == 1 else f"{count} columns"
