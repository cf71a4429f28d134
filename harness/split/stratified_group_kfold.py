"""StratifiedGroupKFold: every group tests once, and every part has the classes in proportion."""

from __future__ import annotations

import numpy as np

from harness.core.fold import Fold
from harness.core.table import Table
from harness.split.fold_rounds import Rounds
from harness.split.group_rows import group_codes, require_groups, without_held_out_groups
from harness.split.holdout_part import cut_groups_in_proportion
from harness.split.splittable_rows import classes, divide, require_class_size, require_classes


class StratifiedGroupKFold:
    """Whole groups test, validate or train, dealt out so that the proportions of the classes hold.

    They hold as well as unbroken groups allow (scikit-learn's StratifiedGroupKFold). An unlabelled
    row whose group tests or validates is left out of that fold.

    Args:
        folds: how many, 2 or more, and no more than there are groups, or rows of a class.
        fold: only this one, 0-based; None for all.
        valid: in [0, 1), the fraction of each class's training rows that validates, by whole groups.
        shuffle: whether groups of the same make-up are dealt at random.
        seed: of the shuffle, and of the choice of the groups that validate.
    """

    grouped = True

    def __init__(self, *, folds: int, fold: int | None, valid: float, shuffle: bool, seed: int) -> None:
        self.rounds = Rounds(folds, fold, valid, shuffle, seed)

    def __call__(self, table: Table) -> list[Fold]:
        """Raises UserError: no classes, no group column, or too few groups or rows of a class."""
        from sklearn.model_selection import StratifiedGroupKFold as Deal

        rounds = self.rounds
        require_classes(table, "stratified_group_kfold", "group_kfold")
        rows, unlabelled = divide(table)
        codes, names = classes(table, rows)
        everyone = group_codes(table)
        groups = everyone[rows]
        require_groups(table, groups, rounds.folds)
        require_class_size(table, codes, names, rounds.folds, "split=group_kfold")

        def cut(rest: np.ndarray, number: int) -> np.ndarray:
            rng = rounds.rng(number)
            return cut_groups_in_proportion(groups[rest], codes[rest], rounds.valid, "valid", rng)

        deal = Deal(rounds.folds, shuffle=rounds.shuffle, random_state=rounds.random_state)
        tests = (test for _, test in deal.split(rows, codes, groups))
        return [without_held_out_groups(fold, everyone) for fold in rounds.deal(rows, unlabelled, tests, cut)]
