"""GroupKFold: every group (patient, writer) tests once and is never divided."""

from __future__ import annotations

import numpy as np

from harness.core.fold import Fold
from harness.core.table import Table
from harness.split.fold_rounds import Rounds
from harness.split.group_rows import group_codes, require_groups, without_held_out_groups
from harness.split.holdout_part import cut_groups
from harness.split.splittable_rows import divide


class GroupKFold:
    """Whole groups test, validate or train (scikit-learn's GroupKFold).

    An unlabelled row whose group tests or validates is left out of that fold: a trainer that
    saw it would know the group.

    Args:
        folds: how many, 2 or more, and no more than there are groups.
        fold: only this one, 0-based; None for all.
        valid: in [0, 1), the fraction of each fold's training groups that validates.
        shuffle: False gives every fold about as many rows; True as many groups, at random.
        seed: of the shuffle, and of the choice of the groups that validate.
    """

    grouped = True

    def __init__(self, *, folds: int, fold: int | None, valid: float, shuffle: bool, seed: int) -> None:
        self.rounds = Rounds(folds, fold, valid, shuffle, seed)

    def __call__(self, table: Table) -> list[Fold]:
        """Raises UserError: no group column, rows without a group, or too few groups."""
        from sklearn.model_selection import GroupKFold as Deal

        rounds = self.rounds
        rows, unlabelled = divide(table)
        everyone = group_codes(table)
        groups = everyone[rows]
        require_groups(table, groups, rounds.folds)

        def cut(rest: np.ndarray, number: int) -> np.ndarray:
            return cut_groups(groups[rest], rounds.valid, "valid", rounds.rng(number))

        deal = Deal(rounds.folds, shuffle=rounds.shuffle, random_state=rounds.random_state)
        tests = (test for _, test in deal.split(rows, groups=groups))
        return [without_held_out_groups(fold, everyone) for fold in rounds.deal(rows, unlabelled, tests, cut)]
