"""LeaveOneOut: every row tests once, alone."""

from __future__ import annotations

import numpy as np

from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.table import Table
from harness.split.fold_rounds import LeaveOut
from harness.split.holdout_part import cut_rows
from harness.split.splittable_rows import divide, strata


class LeaveOneOut:
    """As many folds as there are labelled rows; fold i tests the i-th of them.

    Args:
        fold: only this one, 0-based; None for all.
        valid: in [0, 1), the fraction of each fold's training rows that validates.
        stratify: keep the proportions of the classes in the valid part; without classes it is by row.
        seed: of the choice of the rows that validate.
    """

    def __init__(self, *, fold: int | None, valid: float, stratify: bool, seed: int) -> None:
        self.settings = LeaveOut(fold, valid, seed)
        self.stratify = stratify

    def __call__(self, table: Table) -> list[Fold]:
        """Raises UserError: fewer than 2 rows, too many of them to list, or no such fold."""
        rows, unlabelled = divide(table)
        if len(rows) < 2:
            raise UserError(
                f"split=leave_one_out needs two or more rows to split, and {table.name} has {len(rows)}",
                "give more rows",
            )
        rounds = self.settings.rounds(len(rows), "kfold")
        codes = strata(table, rows, self.stratify)

        def cut(rest: np.ndarray, number: int) -> np.ndarray:
            return cut_rows(codes[rest], rounds.valid, "valid", rounds.rng(number))

        return rounds.deal(rows, unlabelled, np.arange(len(rows))[:, None], cut)
