"""Ratio: one division of the rows into train, valid and test."""

from __future__ import annotations

import numpy as np

from harness.errors import UserError
from harness.fold import Fold
from harness.split.cut import cut_rows, require_fraction, require_seed
from harness.split.rows import classes, divide
from harness.table import Table


class Ratio:
    """One fold: `test` of the rows, then `valid` of the rest; each at least one row unless 0.

    Args:
        test: in [0, 1), the fraction of the split rows that test.
        valid: in [0, 1), the fraction of what the test part leaves.
        stratify: keep the proportions of the classes in every part, within one row; a table
            without classes is split by row.
        shuffle: False gives the last rows to test and the last of the others to valid (with
            `stratify`, of each class).
        seed: of the shuffle.
    """

    def __init__(self, *, test: float, valid: float, stratify: bool, shuffle: bool, seed: int) -> None:
        require_fraction("test", test)
        require_fraction("valid", valid)
        require_seed(seed)
        self.test, self.valid = test, valid
        self.stratify = stratify
        self.shuffle, self.seed = shuffle, seed

    def __call__(self, table: Table) -> list[Fold]:
        """Raises UserError: too few rows for the fractions, or a class too small to stratify."""
        rows, unlabelled = divide(table)
        strata = self._strata(table, rows)
        rng = np.random.RandomState(self.seed) if self.shuffle else None
        test = cut_rows(strata, self.test, "test", rng)
        rest = np.flatnonzero(~test)
        valid = cut_rows(strata[rest], self.valid, "valid", rng)
        return [Fold(0, rows[rest[~valid]], rows[rest[valid]], rows[test], unlabelled)]

    def _strata(self, table: Table, rows: np.ndarray) -> np.ndarray:
        if not (self.stratify and table.task.classification):
            return np.zeros(len(rows), dtype=np.int64)
        codes, names = classes(table, rows)
        counts = np.bincount(codes)
        rarest = int(counts.argmin())
        if counts[rarest] < 2 and (self.test or self.valid):
            raise UserError(
                f"a stratified split needs two or more rows of each class, and class {names[rarest]!r} of "
                f"{table.name} has one; set split.stratify=false, or give more rows."
            )
        return codes
