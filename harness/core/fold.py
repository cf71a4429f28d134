"""A fold: the rows that train, validate and test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

PART_CODES = {"train": 1, "valid": 2, "test": 3, "unlabelled": 4}
"""The parts of a fold as numbers, in `folds.npz` of a run; 0 is a row in no part."""


def _none() -> np.ndarray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Fold:
    """Disjoint row positions of one table, each array int64, sorted, without repeats.

    `unlabelled` rows carry no target, or one that the split hides; they reach the
    semi-supervised and contrastive trainers and no other. Test rows are seen by no fitting,
    early stopping, tuning or augmentation. Folds of a nested split that share their test rows have
    the same number `outer`; elsewhere it is None.
    """

    number: int
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    unlabelled: np.ndarray = field(default_factory=_none)
    outer: int | None = None

    def with_unlabelled_in_training(self) -> Fold:
        """The same fold for a trainer that needs no labels: the unlabelled rows train as well."""
        train = np.union1d(self.train, self.unlabelled)
        return replace(self, train=train, unlabelled=_none()) if len(self.unlabelled) else self

    def parts(self) -> Iterator[tuple[str, np.ndarray]]:
        """The parts that have rows, by name."""
        for name in ("train", "valid", "test", "unlabelled"):
            rows: np.ndarray = getattr(self, name)
            if len(rows):
                yield name, rows
