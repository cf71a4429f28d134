"""Rounds: what the k-fold splits share, whichever way they choose their test rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from harness.errors import UserError
from harness.fold import Fold
from harness.split.cut import require_fraction, require_seed


@dataclass(frozen=True)
class Rounds:
    """The settings of a k-fold split.

    folds    how many, 2 or more
    fold     only this one, 0-based; None for all
    valid    in [0, 1), the fraction of each fold's training rows that validates
    shuffle  whether rows are dealt at random; if not, in their order
    seed     of that, and of nothing else
    """

    folds: int
    fold: int | None
    valid: float
    shuffle: bool
    seed: int

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ValueError(f"folds must be 2 or more, got {self.folds}")
        if self.fold is not None and not 0 <= self.fold < self.folds:
            raise ValueError(
                f"fold must be between 0 and {self.folds - 1} (there are {self.folds} folds), got {self.fold}"
            )
        require_fraction("valid", self.valid)
        require_seed(self.seed)

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
                f"split.folds={self.folds} needs as many rows to split, and there are {count}; "
                "lower split.folds."
            )

    def deal(
        self,
        rows: np.ndarray,
        unlabelled: np.ndarray,
        tests: Iterable[np.ndarray],
        cut: Callable[[np.ndarray, int], np.ndarray],
    ) -> list[Fold]:
        """One Fold per test part, or the one asked for.

        Args:
            rows: (n,) the table rows that are split.
            tests: the test part of each fold, positions in `rows`.
            cut: (positions of training rows, number of the fold) -> bool, those that validate.
        """
        folds = []
        for number, test in enumerate(tests):
            if self.fold is not None and number != self.fold:
                continue
            rest = np.setdiff1d(np.arange(len(rows)), test)
            valid = cut(rest, number)
            folds.append(Fold(number, rows[rest[~valid]], rows[rest[valid]], rows[np.sort(test)], unlabelled))
        return folds
