"""Check: classes of test rows that no training row has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.core.finding import Finding
from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage.finding_text import among, codes, counted, listed, quoted, row


def find_unseen_classes(table: Table, folds: Sequence[Fold]) -> Finding:
    """Test rows whose class no training row of their fold has; every prediction for them is wrong."""
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
        "as wrong; add rows of such a class, or use split=stratified_kfold.",
    )
