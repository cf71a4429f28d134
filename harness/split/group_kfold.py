"""GroupKFold: every group (patient, writer) tests once and is never divided."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from harness.errors import UserError
from harness.fold import Fold
from harness.split.cut import cut_groups
from harness.split.rounds import Rounds
from harness.split.rows import divide
from harness.table import Table


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

    def __init__(self, *, folds: int, fold: int | None, valid: float, shuffle: bool, seed: int) -> None:
        self.rounds = Rounds(folds, fold, valid, shuffle, seed)

    def __call__(self, table: Table) -> list[Fold]:
        """Raises UserError: no group column, rows without a group, or too few groups."""
        from sklearn.model_selection import GroupKFold as Deal

        rounds = self.rounds
        rows, unlabelled = divide(table)
        everyone = _codes(table)
        groups = everyone[rows]
        count = len(np.unique(groups))
        if count < rounds.folds:
            raise UserError(
                f"split.folds={rounds.folds} needs as many groups, and column {table.group!r} of "
                f"{table.name} has {count}; lower split.folds."
            )

        def cut(rest: np.ndarray, number: int) -> np.ndarray:
            return cut_groups(groups[rest], rounds.valid, "valid", rounds.rng(number))

        deal = Deal(rounds.folds, shuffle=rounds.shuffle, random_state=rounds.random_state)
        tests = (test for _, test in deal.split(rows, groups=groups))
        return [_guard(fold, everyone) for fold in rounds.deal(rows, unlabelled, tests, cut)]


def _codes(table: Table) -> np.ndarray:
    """(N,) int64, the group of each row by number."""
    codes, _ = pd.factorize(table.groups, sort=True)
    missing = int((codes < 0).sum())
    if missing:
        raise UserError(
            f"split=group_kfold needs a group in every row, and column {table.group!r} of {table.name} is "
            f"empty in {missing} of them; fill it in, or name another with data.extract.group=COLUMN."
        )
    return codes


def _guard(fold: Fold, groups: np.ndarray) -> Fold:
    """The fold without the unlabelled rows of groups that test or validate."""
    held_out = groups[np.concatenate([fold.valid, fold.test])]
    return replace(fold, unlabelled=fold.unlabelled[~np.isin(groups[fold.unlabelled], held_out)])
