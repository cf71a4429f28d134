"""StratifiedKFold: every row tests once, and every part has the classes in proportion."""

from __future__ import annotations

import numpy as np

from harness.core.fold import Fold
from harness.core.table import Table
from harness.split.fold_rounds import Rounds
from harness.split.holdout_part import cut_rows
from harness.split.splittable_rows import classes, divide, require_class_size, require_classes


class StratifiedKFold:
    """Like `KFold`, with the classes in proportion in every part (scikit-learn's StratifiedKFold).

    Args:
        folds: how many, 2 or more, and no more than the smallest class has rows.
        fold: only this one, 0-based; None for all.
        valid: in [0, 1), the fraction of each fold's training rows that validates.
        shuffle: False deals the rows of each class in their order.
        seed: of the shuffle.
    """

    def __init__(self, *, folds: int, fold: int | None, valid: float, shuffle: bool, seed: int) -> None:
        self.rounds = Rounds(folds, fold, valid, shuffle, seed)

    def __call__(self, table: Table) -> list[Fold]:
        """Raises UserError: a row has no one class, or a class is smaller than `folds`."""
        from sklearn.model_selection import StratifiedKFold as Deal

        rounds = self.rounds
        require_classes(table, "stratified_kfold", "kfold")
        rows, unlabelled = divide(table)
        codes, names = classes(table, rows)
        require_class_size(table, codes, names, rounds.folds)

        def cut(rest: np.ndarray, number: int) -> np.ndarray:
            rng = rounds.rng(number) if rounds.shuffle else None
            return cut_rows(codes[rest], rounds.valid, "valid", rng)

        deal = Deal(rounds.folds, shuffle=rounds.shuffle, random_state=rounds.random_state)
        return rounds.deal(rows, unlabelled, (test for _, test in deal.split(rows, codes)), cut)
