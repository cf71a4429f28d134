"""Check: groups (patients, writers, devices) with rows in both training and test parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.core.finding import Finding
from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage import nearest_neighbour
from harness.leakage.finding_text import among, codes, quoted, verb


def find_group_overlap(table: Table, folds: Sequence[Fold], *, grouped: bool, split: str) -> Finding:
    """Groups in two parts: an error if the split promises to keep them whole, else a warning."""
    numbers, names = codes(table.groups)
    return (
        _promised(table, folds, numbers, names, split) if grouped else _shared(table, folds, numbers, names)
    )


def _promised(
    table: Table, folds: Sequence[Fold], numbers: np.ndarray, names: np.ndarray, split: str
) -> Finding:
    hit, divided = 0, set[int]()
    for fold in folds:
        parts = (np.concatenate([fold.train, fold.unlabelled]), fold.valid, fold.test)
        train, valid, test = (_present(numbers, len(names), part) for part in parts)
        here = np.flatnonzero((train & (valid | test)) | (valid & test))
        hit += bool(len(here))
        divided |= set(here.tolist())
    if not divided:
        return Finding(
            "groups", "fine", f"No {table.group!r} is in two parts of a fold ({len(names)} of them)."
        )
    few = quoted(names[sorted(divided)])
    return Finding(
        "groups",
        "error",
        f"split={split} promises to keep groups whole, and {len(divided)} of {len(names)} values of "
        f"{table.group!r} are in two parts{among(hit, len(folds))} ({few}); correct the split, or use "
        "split=group_kfold.",
    )


def _shared(table: Table, folds: Sequence[Fold], numbers: np.ndarray, names: np.ndarray) -> Finding:
    shared, hit, known = 0, 0, set[int]()
    tested = sum(len(fold.test) for fold in folds)
    for fold in folds:
        train = _present(numbers, len(names), np.concatenate([fold.train, fold.valid]))
        here = numbers[fold.test]
        here = here[here >= 0]
        here = here[train[here]]
        shared, hit = shared + len(here), hit + bool(len(here))
        known |= set(np.unique(here).tolist())
    if not shared:
        return Finding("groups", "fine", f"No test row shares {table.group!r} with a training row.")
    few = quoted(names[sorted(known)])
    return Finding(
        "groups",
        "warning",
        f"{shared} of {tested} test rows{among(hit, len(folds))} {verb(shared, 'share')} {table.group!r} "
        f"with training rows ({few}){_comparison(table, folds, numbers)}; use split=group_kfold to "
        f"estimate the "
        f"score on a new {table.group!r}.",
    )


def _present(numbers: np.ndarray, count: int, rows: np.ndarray) -> np.ndarray:
    """(count,) bool, which groups have a row among these."""
    present = np.zeros(count + 1, dtype=bool)
    present[numbers[rows]] = True  # -1, a row without a group, writes to the last element
    return present[:-1]


def _comparison(table: Table, folds: Sequence[Fold], numbers: np.ndarray) -> str:
    """The nearest neighbour's score in these folds and in folds by group; empty if it cannot be computed."""
    if table.task.kind not in ("multiclass", "binary", "regression") or len(table.target) > 1:
        return ""
    rows = nearest_neighbour.sample(folds, table.labelled & (numbers >= 0))
    inputs = nearest_neighbour.numbers(table, rows)
    if inputs is None:
        return ""
    classes = table.task.classification
    labels = table.labels.iloc[rows]
    targets = codes(labels)[0] if classes else labels.to_numpy(dtype=np.float64)
    kinds = np.unique(numbers[rows], return_inverse=True)[1]
    tested = sum(len(fold.test) for fold in folds) / len(folds)
    used = sum(len(part) for _, part in folds[0].parts())
    count = int(np.clip(round(used / max(tested, 1)), 2, min(10, max(2, kinds.max() + 1))))
    here, there = (
        nearest_neighbour.score(inputs, targets, parts, classes=classes, scaled=table.kind != "image")
        for parts in (
            nearest_neighbour.given_folds(folds, rows, len(table)),
            nearest_neighbour.group_folds(kinds, count),
        )
    )
    if np.isnan([here, there]).any():
        return ""
    if classes:
        return (
            f", and a nearest neighbour is right on {here:.3f} of the test rows in these folds, and on "
            f"{there:.3f} in folds by {table.group!r}"
        )
    return (
        f", and a nearest neighbour has r2 {here:.3f} on the test rows in these folds, and {there:.3f} in "
        f"folds by {table.group!r}"
    )
