"""Check: test rows that are copies of training rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.core.finding import Finding
from harness.core.fold import Fold
from harness.core.name_list import MOST_NAMED, listed
from harness.core.table import Table
from harness.leakage.chance_copies import expected_copies
from harness.leakage.finding_text import among, row, verb
from harness.leakage.row_hash import copies

_FACTOR = 2
_DEVIATIONS = 3


def find_duplicates(table: Table, folds: Sequence[Fold], *, grouped: bool) -> Finding:
    """Test rows with the same features as a training or validation row, see `row_hash.copies`.

    The time of a row is not compared unless it is the only feature: a copy may have another time.

    A warning if they are more than twice as many as expected by chance, and three standard deviations more.
    (Twice, because features that depend on each other in more than pairs repeat up to 1.8 times as often as
    `expected_copies` says. Equal rows come in pairs, so the variance is twice the expectation.)

    Args:
        grouped: whether the split keeps groups whole.
    """
    table = _without_time(table)
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
    expected = expected_copies(table, folds, first)
    same = (
        f"{count} of {tested} test rows{among(hit, len(folds))} {verb(count, 'have')} the same features as "
    )
    if count <= _FACTOR * expected + _DEVIATIONS * math.sqrt(2 * expected):
        return Finding(
            "duplicates",
            "fine",
            f"{same}training rows, as expected by chance ({expected:.0f}) of features with so few values; "
            f"{_effect(table, count / tested)}.",
        )
    alike = [f"{row(table, copy)} as {row(table, original)}" for copy, original in pairs[:MOST_NAMED]]
    some = f"{listed(alike)}{', …' if count > MOST_NAMED else ''}"
    by_chance = "none" if expected < 0.5 else f"about {expected:.0f}"
    return Finding(
        "duplicates",
        "warning",
        f"{same}training rows ({some}), and {by_chance} would by chance; {_effect(table, count / tested)}; "
        f"remove the copies, {_keep_together(table, grouped)}or set split.guard=off if they are true "
        "repetitions.",
    )


def _without_time(table: Table) -> Table:
    others = tuple(name for name in table.features if name != table.time)
    return replace(table, features=others) if others and others != table.features else table


def _effect(table: Table, share: float) -> str:
    """How much copies can change a score, at most."""
    if table.task.kind in ("binary", "multiclass"):
        return f"a model that memorises rows can gain up to {share:.2g} in accuracy by them"
    return f"a model that memorises rows knows {100 * share:.3g} % of the test rows"


def _keep_together(table: Table, grouped: bool) -> str:
    """How a split keeps copies together, where this one does not; ends in a blank."""
    if grouped:
        return ""
    if table.group is not None:
        return f"use split=group_kfold if copies have the same {table.group!r}, "
    return "name a column that copies share with data.extract.group=COLUMN and use split=group_kfold, "


def _repeated(repeated: np.ndarray, *parts: np.ndarray) -> np.ndarray:
    rows = np.concatenate(parts)
    chosen: np.ndarray = rows[repeated[rows]]
    return chosen
