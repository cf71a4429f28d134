"""Check: classes of test rows that no training row has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.core.finding import Finding
from harness.core.fold import Fold
from harness.core.name_list import counted, listed
from harness.core.table import Table
from harness.leakage.finding_text import among, codes, quoted, row

_USUAL_FOLDS = 5
"""The folds of `split=stratified_kfold` where no number is given."""


def find_unseen_classes(
    table: Table, folds: Sequence[Fold], *, grouped: bool, timed: bool, split: str
) -> Finding:
    """Test rows whose class no training row of their fold has; every prediction for them is wrong.

    Args:
        grouped, timed, split: as in `check_leakage`.
    """
    labels, names = codes(table.labels)
    rows: list[int] = []
    hit, unseen = 0, set[int]()
    for fold in folds:
        trained = np.zeros(len(names) + 1, dtype=bool)
        trained[labels[fold.train]] = True
        trained[-1] = True  # an unlabelled row is not scored
        here = fold.test[~trained[labels[fold.test]]]
        hit += bool(len(here))
        rows += here.tolist()
        unseen |= set(labels[here].tolist())
    if not rows:
        return Finding("classes", "fine", "The training rows contain every class of the test rows.")
    kinds = f"{'class' if len(unseen) == 1 else 'classes'} {quoted(names[sorted(unseen)])}"
    tested = f"{counted(len(rows), 'test row')} ({listed(row(table, each) for each in rows)})"
    return Finding(
        "classes",
        "warning",
        f"no training row{among(hit, len(folds))} has the {kinds} of {tested}, so each of these rows counts "
        f"as wrong; add rows of such a class, or {_remedy(labels, grouped, timed, split)}.",
    )


def _remedy(labels: np.ndarray, grouped: bool, timed: bool, split: str) -> str:
    """A split that has rows of each class in each part, if there is one and it is not used already."""
    rarest = int(np.bincount(labels[labels >= 0]).min())
    if timed or rarest < 2 or split.startswith("stratified"):
        return "remove the rows of classes that are so rare"
    name = "stratified_group_kfold" if grouped else "stratified_kfold"
    return f"use split={name}{f' split.folds={rarest}' if rarest < _USUAL_FOLDS else ''}"
