"""KFold: every row tests once."""

from __future__ import annotations

import numpy as np

from harness.core.fold import Fold
from harness.core.table import Table
from harness.split.fold_rounds import Rounds
from harness.split.holdout_part import cut_rows
from harness.split.splittable_rows import divide


class KFold:
    """`folds` parts of nearly equal size, each of which tests once (scikit-learn's KFold).

    Args:
        folds: how many, 2 or more.
        fold: only this one, 0-based; None for all.
        valid: in [0, 1), the fraction of each fold's training rows that validates.
        shuffle: False gives contiguous test parts, and the last training rows to valid.
        seed: of the shuffle.
    """

    def __init__(self, *, folds: int, fold: int | None, valid: float, shuffle: bool, seed: int) -> None:
        self.rounds = Rounds(folds, fold, valid, shuffle, seed)

    def __call__(self, table: Table) -> list[Fold]:
        """Raises UserError: fewer rows than folds, or too few to cut the valid part."""
        from sklearn.model_selection import KFold as Deal

        rounds = self.rounds
        rows, unlabelled = divide(table)
        rounds.require_rows(len(rows))

        def cut(rest: np.ndarray, number: int) -> np.ndarray:
            rng = rounds.rng(number) if rounds.shuffle else None
            return cut_rows(np.zeros(len(rest), dtype=np.int64), rounds.valid, "valid", rng)

        deal = Deal(rounds.folds, shuffle=rounds.shuffle, random_state=rounds.random_state)
        return rounds.deal(rows, unlabelled, (test for _, test in deal.split(rows)), cut)
