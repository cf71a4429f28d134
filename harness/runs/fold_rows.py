"""The file `folds.npz` of a run: the part of each row in each fold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.core.fold import PART_CODES, Fold

ROWS = "folds.npz"


def write_rows(folds: Sequence[Fold], rows: int, path: Path) -> None:
    """Writes which row was in which part of which fold: `parts`, see `parts_of`, and `number`, (folds,)."""
    parts = parts_of(folds, rows)
    np.savez_compressed(path, parts=parts, number=np.array([fold.number for fold in folds]))


def parts_of(folds: Sequence[Fold], rows: int) -> np.ndarray:
    """Returns (folds, rows) uint8: 0 no part, 1 train, 2 valid, 3 test, 4 unlabelled."""
    parts = np.zeros((len(folds), rows), dtype=np.uint8)
    for place, fold in enumerate(folds):
        for name, members in fold.parts():
            parts[place, members] = PART_CODES[name]
    return parts
