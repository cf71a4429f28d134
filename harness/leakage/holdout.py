"""Two sides of the rows, cut as the folds cut them, each of which judges what the other has learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from harness.core.fold import Fold

MOST_ROWS = 5000
FEWEST_ROWS = 30
_CELLS = 2_000_000


def apart(folds: Sequence[Fold]) -> list[Fold]:
    """The folds that share no test row with an earlier one, which leaves out the later rounds of a repeat."""
    last = max((int(fold.test.max()) for fold in folds if len(fold.test)), default=0)
    taken = np.zeros(last + 1, dtype=bool)
    chosen = []
    for fold in folds:
        if len(fold.test) and not taken[fold.test].any():
            taken[fold.test] = True
            chosen.append(fold)
    return chosen


class Sides(NamedTuple):
    """Disjoint rows, int64; where the folds keep groups or times apart, so do these."""

    one: np.ndarray
    other: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        return np.concatenate(self)

    @property
    def enough(self) -> bool:
        """Whether so many rows are judged that none but a true oracle is right on (nearly) all of them."""
        return len(self.rows) >= FEWEST_ROWS and min(map(len, self)) >= FEWEST_ROWS // 4


def sides(folds: Sequence[Fold], known: np.ndarray, features: int) -> Sides:
    """One fold's training rows and its other rows; of several, every other fold's test rows and the rest.

    Judging both ways uses each row once, so that a feature that is right on 19 of 20 rows seldom looks
    like one that is always right, even where the test part is small.

    Args:
        known: (N,) bool, the rows that may be taken.
        features: how many there are to judge, each on fewer rows the more there are.
    """
    tests = [fold.test for fold in apart(folds)] if len(folds) > 1 else []
    one, other = tests[::2], tests[1::2]
    if not other:
        one, other = [folds[0].train], [folds[0].valid, folds[0].test]
    most = int(np.clip(_CELLS // max(1, features), 200, MOST_ROWS))
    return Sides(*(_some(np.concatenate(rows), known, most) for rows in (one, other)))


def _some(rows: np.ndarray, known: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows that are known, the same ones each time."""
    rows = rows[known[rows]]
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    return rows
