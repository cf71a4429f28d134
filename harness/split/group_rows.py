"""Splits by group: the group of each row, and the removal of unlabelled rows of held-out groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.table import Table


def group_codes(table: Table) -> np.ndarray:
    """(N,) int64, the group of each row by number, in the order of their names (numbers before text).

    Raises:
        UserError: the table has no group column, or a row has no group.
    """
    codes, _ = pd.factorize(table.groups, sort=True)
    missing = int((codes < 0).sum())
    if missing:
        raise UserError(
            f"a split by group needs a group in every row, and column {table.group!r} of {table.name} is "
            f"empty in {missing} of them",
            "fill it in, or name another with data.extract.group=COLUMN",
            key="data.extract.group",
        )
    return codes


def require_groups(table: Table, groups: np.ndarray, folds: int) -> None:
    """Raise UserError where the rows to split, of these `groups`, have fewer groups than folds."""
    count = len(np.unique(groups))
    if count < folds:
        raise UserError(
            f"split.folds={folds} needs as many groups, and column {table.group!r} of {table.name} has "
            f"{count}",
            "lower split.folds",
            key="split.folds",
        )


def without_held_out_groups(fold: Fold, groups: np.ndarray) -> Fold:
    """The fold without the unlabelled rows whose group tests or validates.

    Args:
        groups: (N,) the group of every row of the table.
    """
    held_out = groups[np.concatenate([fold.valid, fold.test])]
    return replace(fold, unlabelled=fold.unlabelled[~np.isin(groups[fold.unlabelled], held_out)])
