"""Ratio: one division of the rows into train, valid and test."""

from __future__ import annotations

import numpy as np

from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.table import Table
from harness.split.group_rows import group_codes, without_held_out_groups
from harness.split.holdout_part import (
    Part,
    cut_groups,
    cut_groups_in_proportion,
    cut_rows,
    require_fraction,
    require_seed,
)
from harness.split.splittable_rows import classes, divide


class Ratio:
    """One fold: `test` of the rows, then `valid` of the rest; each at least one row unless 0.

    Args:
        test: in [0, 1), the fraction of the split rows that test.
        valid: in [0, 1), the fraction of what the test part leaves.
        stratify: keep the proportions of the classes in every part, within one row; a table
            without classes is split by row.
        grouped: never divide a group. The fractions are then of the groups; with `stratify` they are
            of each class, as nearly as whole groups can make them. An unlabelled row whose group
            tests or validates is left out.
        shuffle: False gives the last rows to test and the last of the others to valid (with
            `stratify`, of each class; with `grouped`, the groups that appear last).
        seed: of the shuffle.
    """

    def __init__(
        self, *, test: float, valid: float, stratify: bool, grouped: bool, shuffle: bool, seed: int
    ) -> None:
        require_fraction("test", test)
        require_fraction("valid", valid)
        require_seed(seed)
        self.test, self.valid = test, valid
        self.stratify, self.grouped = stratify, grouped
        self.shuffle, self.seed = shuffle, seed

    def __call__(self, table: Table) -> list[Fold]:
        """Raises UserError: too few rows or groups for the fractions, or a class too small to stratify."""
        rows, unlabelled = divide(table)
        codes = self._strata(table, rows)
        groups = group_codes(table) if self.grouped else None
        rng = np.random.RandomState(self.seed) if self.shuffle else None

        def cut(positions: np.ndarray, fraction: float, part: Part) -> np.ndarray:
            """(n,) bool, which of these positions in `rows` make the part."""
            own = None if codes is None else codes[positions]
            if groups is None:
                return cut_rows(
                    np.zeros(len(positions), np.int64) if own is None else own, fraction, part, rng
                )
            if own is None:
                return cut_groups(groups[rows[positions]], fraction, part, rng)
            return cut_groups_in_proportion(groups[rows[positions]], own, fraction, part, rng)

        test = cut(np.arange(len(rows)), self.test, "test")
        rest = np.flatnonzero(~test)
        valid = cut(rest, self.valid, "valid")
        fold = Fold(0, rows[rest[~valid]], rows[rest[valid]], rows[test], unlabelled)
        return [fold if groups is None else without_held_out_groups(fold, groups)]

    def _strata(self, table: Table, rows: np.ndarray) -> np.ndarray | None:
        """(n,) int64 class codes; None where the classes do not matter, or there are none."""
        if not (self.stratify and table.task.classification):
            return None
        codes, names = classes(table, rows)
        counts = np.bincount(codes)
        rarest = int(counts.argmin())
        if counts[rarest] < 2 and (self.test or self.valid):
            raise UserError(
                f"a stratified split needs two or more rows of each class, and class {names[rarest]!r} of "
                f"{table.name} has one",
                "set split.stratify=false, or give more rows",
                key="split.stratify",
            )
        return codes
