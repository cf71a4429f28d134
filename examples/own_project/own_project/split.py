"""A split: called with a table, returns folds of row positions."""

from __future__ import annotations

import numpy as np

from harness.core.fold import Fold
from harness.core.table import Table


class Shuffled:
    """One fold of rows in random order.

    Args:
        valid: fraction of the labelled rows that validates.
        test: fraction of the labelled rows that tests.
        seed: of the order.
    """

    def __init__(self, *, valid: float, test: float, seed: int) -> None:
        self.valid, self.test, self.seed = valid, test, seed

    def __call__(self, table: Table) -> list[Fold]:
        """One fold; rows without a target are its unlabelled part."""
        labelled = table.labelled
        rows = np.random.default_rng(self.seed).permutation(np.flatnonzero(labelled))
        valid, test = round(self.valid * len(rows)), round(self.test * len(rows))
        parts = np.split(rows, [test, test + valid])
        testing, validating, training = (np.sort(part) for part in parts)
        return [Fold(0, training, validating, testing, np.flatnonzero(~labelled))]
