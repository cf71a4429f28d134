"""Parts: which row was in which part of which fold, as the file `folds.npz` of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.core.fold import Fold

ROWS = "folds.npz"

_CODES = {"train": 1, "valid": 2, "test": 3, "unlabelled": 4}


def write_rows(folds: Sequence[Fold], rows: int, path: Path) -> None:
    """Which row was in which part of which fold: `parts`, see `parts_of`, and `number`, (folds,)."""
    parts = parts_of(folds, rows)
    np.savez_compressed(path, parts=parts, number=np.array([fold.number for fold in folds]))


def parts_of(folds: Sequence[Fold], rows: int) -> np.ndarray:
    """(folds, rows) uint8: 0 is no part, 1 train, 2 valid, 3 test, 4 unlabelled."""
    parts = np.zeros((len(folds), rows), dtype=np.uint8)
    for place, fold in enumerate(folds):
        for name, members in fold.parts():
            parts[place, members] = _CODES[name]
    return parts
