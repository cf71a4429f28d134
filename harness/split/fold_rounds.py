"""Rounds: the common part of splits with many folds, whichever test rows they choose."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.split.holdout_part import require_fraction, require_seed

MOST_FOLDS = 5000
"""A split with a fold for each row makes no more than these: every fold lists every row, and 5000 folds
of 5000 rows take 200 MB."""


@dataclass(frozen=True)
class Rounds:
    """The settings of a k-fold split.

    folds    how many, 2 or more
    fold     only this one, 0-based; None for all
    valid    in [0, 1), the fraction of each fold's training rows that validates
    shuffle  whether rows are dealt at random; if not, in their order
    seed     of that, and of nothing else
    repeats  how often the rows are dealt anew; folds are numbered through
    """

    folds: int
    fold: int | None
    valid: float
    shuffle: bool
    seed: int
    repeats: int = 1

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ValueError(f"folds must be 2 or more, got {self.folds}")
        if self.repeats < 1:
            raise ValueError(f"repeats must be 1 or more, got {self.repeats}")
        if self.fold is not None and not 0 <= self.fold < self.count:
            raise ValueError(f"fold must be {_between(self.count)}, got {self.fold}")
        require_fraction("valid", self.valid)
        require_seed(self.seed)

    @property
    def count(self) -> int:
        """How many folds there are, of all repeats."""
        return self.folds * self.repeats

    @property
    def random_state(self) -> int | None:
        """The seed as scikit-learn wants it, which takes none without a shuffle."""
        return self.seed if self.shuffle else None

    def rng(self, number: int) -> np.random.RandomState:
        """The generator of fold `number`: its own, so that a fold alone is cut as among all."""
        return np.random.RandomState([self.seed, number])

    def require_rows(self, count: int) -> None:
        """Raise UserError where there are fewer rows than folds."""
        if count < self.folds:
            raise UserError(
                f"split.folds={self.folds} needs as many rows to split, and there are {count}",
                "lower split.folds",
                key="split.folds",
            )

    def deal(
        self,
        rows: np.ndarray,
        unlabelled: np.ndarray,
        tests: Iterable[np.ndarray],
        cut: Callable[[np.ndarray, int], np.ndarray],
    ) -> list[Fold]:
        """One Fold per test part, or the requested one.

        Args:
            rows: (n,) the table rows that are split.
            tests: the test part of each fold, positions in `rows`.
            cut: (positions of training rows, number of the fold) -> bool, those that validate.
        """
        folds = []
        for number, test in enumerate(tests):
            if self.fold is not None and number != self.fold:
                continue
            left = np.ones(len(rows), dtype=bool)
            left[test] = False
            rest = np.flatnonzero(left)
            valid = cut(rest, number)
            folds.append(Fold(number, rows[rest[~valid]], rows[rest[valid]], rows[np.sort(test)], unlabelled))
        return folds


@dataclass(frozen=True)
class LeaveOut:
    """The settings of a split whose number of folds follows from its rows or groups.

    fold   only this one, 0-based; None for all
    valid  in [0, 1), the fraction of each fold's training rows that validates
    seed   of the choice of those
    """

    fold: int | None
    valid: float
    seed: int

    def __post_init__(self) -> None:
        if self.fold is not None and self.fold < 0:
            raise ValueError(f"fold must be 0 or more, got {self.fold}")
        require_fraction("valid", self.valid)
        require_seed(self.seed)

    def rounds(self, count: int, instead: str) -> Rounds:
        """The rounds of `count` folds, 2 or more.

        Args:
            instead: the split to use where there are too many.

        Raises:
            UserError: no such fold, or more of them than can be listed.
        """
        require_fold(self.fold, count)
        if self.fold is None and count > MOST_FOLDS:
            raise UserError(
                f"each fold lists every row, so there can be {MOST_FOLDS} folds at most, and this split "
                f"makes {count}",
                f"use split={instead}, or one fold alone with split.fold=NUMBER",
                key="split",
            )
        return Rounds(count, self.fold, self.valid, False, self.seed)


def require_fold(fold: int | None, count: int) -> None:
    """Raise UserError where there is no such fold among `count`."""
    if fold is not None and not 0 <= fold < count:
        raise UserError(f"split.fold must be {_between(count)}, got {fold}", key="split.fold", value=fold)


def _between(count: int) -> str:
    return f"between 0 and {count - 1} (there are {count} folds)"
