"""Two disjoint halves of the rows, divided as the folds divide them; each is tested on the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from harness.core.fold import Fold

MOST_ROWS = 5000
FEWEST_ROWS = 30
_CELLS = 2_000_000


def without_repeats(folds: Sequence[Fold]) -> list[Fold]:
    """The folds that share no test row with an earlier fold: the first repetition of a repeated split."""
    last = max((int(fold.test.max()) for fold in folds if len(fold.test)), default=0)
    taken = np.zeros(last + 1, dtype=bool)
    chosen = []
    for fold in folds:
        if len(fold.test) and not taken[fold.test].any():
            taken[fold.test] = True
            chosen.append(fold)
    return chosen


class Halves(NamedTuple):
    """Disjoint row positions, int64; if the folds keep groups or times apart, so do the halves."""

    one: np.ndarray
    other: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        return np.concatenate(self)

    @property
    def enough(self) -> bool:
        """Whether there are enough rows: with fewer, a feature could be right on all of them by chance."""
        return len(self.rows) >= FEWEST_ROWS and min(map(len, self)) >= FEWEST_ROWS // 4


def halves(folds: Sequence[Fold], known: np.ndarray, features: int) -> Halves:
    """With one fold, its training rows and its other rows; with several, the test rows of every second fold
    and those of the others.

    Each half is predicted from the other, so each row is tested once. A feature that is right on 19 of 20
    rows then rarely looks like one that is always right, even if the test part is small.

    Args:
        known: (N,) bool, the rows that may be used.
        features: the number of features to check; the more there are, the fewer rows are used for each.
    """
    tests = [fold.test for fold in without_repeats(folds)] if len(folds) > 1 else []
    one, other = tests[::2], tests[1::2]
    if not other:
        one, other = [folds[0].train], [folds[0].valid, folds[0].test]
    most = int(np.clip(_CELLS // max(1, features), 200, MOST_ROWS))
    return Halves(*(_sample(np.concatenate(rows), known, most) for rows in (one, other)))


def _sample(rows: np.ndarray, known: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the known rows; the same rows at each call."""
    rows = rows[known[rows]]
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    return rows
