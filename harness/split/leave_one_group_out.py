"""LeaveOneGroupOut: every group (patient, writer, hospital) tests once, alone."""

from __future__ import annotations

import numpy as np

from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.table import Table
from harness.split.fold_rounds import LeaveOut
from harness.split.group_rows import group_codes, without_held_out_groups
from harness.split.holdout_part import cut_groups
from harness.split.splittable_rows import divide


class LeaveOneGroupOut:
    """As many folds as there are groups, in the order of their names; the groups are never divided.

    An unlabelled row whose group tests or validates is left out of that fold.

    Args:
        fold: only this one, 0-based; None for all.
        valid: in [0, 1), the fraction of each fold's training groups that validates.
        seed: of the choice of those.
    """

    grouped = True

    def __init__(self, *, fold: int | None, valid: float, seed: int) -> None:
        self.settings = LeaveOut(fold, valid, seed)

    def __call__(self, table: Table) -> list[Fold]:
        """Raises UserError: no group column, rows without a group, one group only, or no such fold."""
        rows, unlabelled = divide(table)
        everyone = group_codes(table)
        groups = everyone[rows]
        names = np.unique(groups)
        if len(names) < 2:
            raise UserError(
                f"split=leave_one_group_out needs two or more groups, and column {table.group!r} of "
                f"{table.name} has {len(names)}",
                "name another with data.extract.group=COLUMN",
                key="data.extract.group",
            )
        rounds = self.settings.rounds(len(names), "group_kfold")

        def cut(rest: np.ndarray, number: int) -> np.ndarray:
            return cut_groups(groups[rest], rounds.valid, "valid", rounds.rng(number))

        tests = (np.flatnonzero(groups == name) for name in names)
        return [without_held_out_groups(fold, everyone) for fold in rounds.deal(rows, unlabelled, tests, cut)]
