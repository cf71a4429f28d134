"""The file `folds.npz` of a run: the part of each row in each fold."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np

from harness.core.fold import PART_CODES, Fold, networks_of
from harness.runtime.atomic_file import replace_file
from harness.runtime.stored_file import DamagedFile, reading

ROWS = "folds.npz"


class FoldRows(NamedTuple):
    """The content of `folds.npz`.

    number  (folds,) int64, the numbers of the folds
    parts   (folds, rows) uint8, see `parts_of`
    outer   (folds,) int64, where these are networks of ensembles: the number of the fold of each; else None
    """

    number: np.ndarray
    parts: np.ndarray
    outer: np.ndarray | None = None

    def rows_in(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the folds (F,), and which rows of each are in the part, (F, rows) bool.

        The networks of an ensemble are one fold, with the rows that are in the part for any of them.
        """
        inside = self.parts == PART_CODES[part]
        if self.outer is None:
            return self.number, inside
        numbers = np.unique(self.outer)
        return numbers, np.stack([inside[self.outer == number].any(axis=0) for number in numbers])


def write_rows(folds: Sequence[Fold], rows: int, path: Path) -> None:
    """Writes which row was in which part of which fold, as `FoldRows`."""
    with replace_file(path, lasting=False) as draft:
        draft.write_bytes(rows_content(folds, rows))


def rows_content(folds: Sequence[Fold], rows: int) -> bytes:
    """The content of the file; equal folds give equal bytes."""
    file = BytesIO()
    parts, number = parts_of(folds, rows), np.array([fold.number for fold in folds])
    if networks_of(folds) is None:
        np.savez_compressed(file, parts=parts, number=number)
    else:
        outer = np.array([fold.outer for fold in folds])
        np.savez_compressed(file, parts=parts, number=number, outer=outer)
    return file.getvalue()


def read_rows(folder: Path) -> FoldRows | None:
    """Returns the rows of each fold of a run; None if the run has no such file.

    Args:
        folder: of the run.

    Raises:
        DamagedFile: the file cannot be read, or contains something else.
    """
    path = folder / ROWS
    try:
        with reading(path, KeyError, BadZipFile, ZlibError, TypeError), path.open("rb") as file:
            stored = np.load(file)
            number, parts = stored["number"], stored["parts"]
            outer = stored.get("outer")
    except FileNotFoundError:
        return None
    whole = number.dtype.kind in "iu" and parts.dtype.kind in "iu"
    whole &= outer is None or (outer.dtype.kind in "iu" and outer.shape == number.shape)
    if not whole or number.ndim != 1 or parts.ndim != 2 or len(number) != len(parts):
        raise DamagedFile(path, "its arrays are not those of folds")
    if parts.size and not 0 <= parts.min() <= parts.max() <= max(PART_CODES.values()):
        raise DamagedFile(path, "it contains an unknown part")
    return FoldRows(number, parts, outer)


def parts_of(folds: Sequence[Fold], rows: int) -> np.ndarray:
    """Returns (folds, rows) uint8: 0 no part, 1 train, 2 valid, 3 test, 4 unlabelled."""
    parts = np.zeros((len(folds), rows), dtype=np.uint8)
    for place, fold in enumerate(folds):
        for name, members in fold.parts():
            parts[place, members] = PART_CODES[name]
    return parts
