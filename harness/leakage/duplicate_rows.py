"""Check: test rows that are copies of training rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.core.finding import Finding
from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage.finding_text import MOST_NAMED, among, listed, row, verb
from harness.leakage.row_hash import copies


def find_duplicates(table: Table, folds: Sequence[Fold]) -> Finding:
    """Test rows with the same features as a training or validation row, see `row_hash.copies`."""
    first = copies(table)
    repeated = np.bincount(first, minlength=len(table))[first] > 1
    tested = sum(len(fold.test) for fold in folds)
    count, hit, pairs = 0, 0, list[tuple[int, int]]()
    for fold in folds if repeated.any() else ():
        train, test = _repeated(repeated, fold.train, fold.valid), _repeated(repeated, fold.test)
        here = test[np.isin(first[test], first[train])]
        count, hit = count + len(here), hit + bool(len(here))
        pairs += [(int(copy), int(train[first[train] == first[copy]][0])) for copy in here[:MOST_NAMED]]
    if not count:
        return Finding("duplicates", "fine", f"None of {tested} test rows is a copy of a training row.")
    alike = [f"{row(table, copy)} as {row(table, original)}" for copy, original in pairs[:MOST_NAMED]]
    some = f"{listed(alike)}{', …' if count > MOST_NAMED else ''}"
    return Finding(
        "duplicates",
        "warning",
        f"{count} of {tested} test rows{among(hit, len(folds))} {verb(count, 'have')} the same features as "
        f"training rows ({some}), so a model that memorises rows gets a better score; remove the copies, "
        f"or name "
        "a column that copies share with data.extract.group=COLUMN and use split=group_kfold, or set "
        "split.guard=off if they are true repetitions.",
    )


def _repeated(repeated: np.ndarray, *parts: np.ndarray) -> np.ndarray:
    rows = np.concatenate(parts)
    chosen: np.ndarray = rows[repeated[rows]]
    return chosen
