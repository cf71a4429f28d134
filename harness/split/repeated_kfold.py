"""RepeatedKFold: k-fold again and again, dealt anew each time."""

from __future__ import annotations

import numpy as np

from harness.core.fold import Fold
from harness.core.table import Table
from harness.split.fold_rounds import Rounds
from harness.split.holdout_part import cut_rows
from harness.split.splittable_rows import classes, divide, require_class_size


class RepeatedKFold:
    """`repeats` times `folds` parts, so that every row tests `repeats` times.

    Fold r * folds + k is fold k of repeat r (scikit-learn's RepeatedStratifiedKFold or RepeatedKFold).

    Args:
        folds: of each repeat, 2 or more.
        repeats: 1 or more.
        fold: only this one, 0-based, of all repeats * folds; None for all.
        valid: in [0, 1), the fraction of each fold's training rows that validates.
        stratify: keep the proportions of the classes in every part; a table without classes is split
            by row.
        seed: of all shuffles.
    """

    def __init__(
        self, *, folds: int, repeats: int, fold: int | None, valid: float, stratify: bool, seed: int
    ) -> None:
        self.rounds = Rounds(folds, fold, valid, True, seed, repeats)
        self.stratify = stratify

    def __call__(self, table: Table) -> list[Fold]:
        """Raises UserError: fewer rows than folds, or a class smaller than `folds`."""
        from sklearn.model_selection import RepeatedKFold as Deal
        from sklearn.model_selection import RepeatedStratifiedKFold as StratifiedDeal

        rounds = self.rounds
        rows, unlabelled = divide(table)
        rounds.require_rows(len(rows))
        stratified = self.stratify and table.task.classification
        codes = np.zeros(len(rows), dtype=np.int64)
        if stratified:
            codes, names = classes(table, rows)
            require_class_size(table, codes, names, rounds.folds, "split.stratify=false")

        def cut(rest: np.ndarray, number: int) -> np.ndarray:
            return cut_rows(codes[rest], rounds.valid, "valid", rounds.rng(number))

        maker = StratifiedDeal if stratified else Deal
        deal = maker(n_splits=rounds.folds, n_repeats=rounds.repeats, random_state=rounds.seed)
        return rounds.deal(rows, unlabelled, (test for _, test in deal.split(rows, codes)), cut)
