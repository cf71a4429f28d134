"""Nested: every outer fold's training rows are split again, and the test part stays untouched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.table import Table
from harness.split.fold_rounds import require_fold

Split = Callable[[Table], list[Fold]]


class Nested:
    """Nested cross-validation: the outer split chooses what tests, the inner one what validates.

    All rows that an outer fold does not test are split by `inner`, whose test parts become the
    validation parts. So what is tuned on the validation rows is tested on rows that no choice has
    seen (Varma and Simon, doi:10.1186/1471-2105-7-91). The valid parts of both splits are not used:
    their rows train.

    Folds are numbered through; those that share their test rows have the same `outer`.

    Args:
        outer: any split; its test parts are the test parts.
        inner: any split of what the outer one leaves.
        fold: only this one, 0-based, of all outer and inner folds; None for all.
    """

    def __init__(self, *, outer: Split, inner: Split, fold: int | None) -> None:
        if fold is not None and fold < 0:
            raise ValueError(f"fold must be 0 or more, got {fold}")
        self.outer, self.inner, self.fold = outer, inner, fold
        self.grouped = _both("grouped", outer, inner)
        self.timed = _both("timed", outer, inner)

    def __call__(self, table: Table) -> list[Fold]:
        """Raises UserError: what either split refuses, or no such fold."""
        folds: list[Fold] = []
        with _placed("outer"):
            outer = self.outer(table)
        for around in outer:
            rest = np.sort(np.concatenate([around.train, around.valid, around.unlabelled]))
            with _placed("inner", f" (of the {len(rest)} rows that outer fold {around.number} leaves)"):
                inner = self.inner(table.with_rows(rest, arrays=False))
            folds += [_within(around, rest, fold, len(folds) + i) for i, fold in enumerate(inner)]
        require_fold(self.fold, len(folds))
        return folds if self.fold is None else [folds[self.fold]]


def _within(around: Fold, rest: np.ndarray, fold: Fold, number: int) -> Fold:
    """An inner fold, whose rows are positions in `rest`, as one of the whole table."""
    train = np.sort(np.concatenate([fold.train, fold.valid]))
    return Fold(number, rest[train], rest[fold.test], around.test, rest[fold.unlabelled], around.number)


def _both(promise: str, outer: Split, inner: Split) -> bool:
    return bool(getattr(outer, promise, False) and getattr(inner, promise, False))


@contextmanager
def _placed(role: str, where: str = "") -> Iterator[None]:
    """Within it, errors about `split.folds` or `split=kfold` name the key of the split's role."""
    try:
        yield
    except UserError as error:
        placed = error.below("split", f"split.{role}")
        raise (placed.with_end(where) if where else placed) from error
