"""A nearest-neighbour model, used to compare the scores of two divisions of the rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage.holdout import without_repeats

MOST_ROWS = 2000
_MOST_FEATURES = 4096
_MOST_FOLDS = 10

Part = tuple[np.ndarray, np.ndarray]
"""Training rows and test rows, each (n,) int64."""


def sample(folds: Sequence[Fold], known: np.ndarray) -> np.ndarray:
    """(n,) int64, at most MOST_ROWS known rows of the folds, sorted; the same rows at each call."""
    used = np.zeros(len(known), dtype=bool)
    for fold in folds:
        used[fold.train] = used[fold.test] = True
    rows = np.flatnonzero(used & known)
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))
    return rows


def numbers(table: Table, rows: np.ndarray) -> np.ndarray | None:
    """(n, F) float32, the numeric features of some rows, at most 4096 of them; None if there are none."""
    if table.events is not None:
        return None
    if table.array is not None:
        return _entries(table.array, rows)
    numeric = [name for name in table.features if pd.api.types.is_numeric_dtype(table.frame[name])]
    if not numeric:
        return None
    step = -(-len(numeric) // _MOST_FEATURES)
    frame = table.frame[numeric[::step]].iloc[rows]
    return np.asarray(frame.to_numpy(dtype=np.float32, na_value=np.nan))


def _entries(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(n, F) float32; read a few rows at a time, because whole images could exceed the memory."""
    step = -(-math.prod(array.shape[1:]) // _MOST_FEATURES)
    few = np.array_split(rows, len(rows) // 64 + 1)
    return np.concatenate([array[some].reshape(len(some), -1)[:, ::step].astype(np.float32) for some in few])


def given_folds(folds: Sequence[Fold], rows: np.ndarray, count: int) -> list[Part]:
    """The given folds, restricted to a sample: training and test rows of each, as positions in `rows`.

    More than ten folds, such as those of leave-one-out, are merged into ten, every tenth fold together: the
    test rows of merged folds are predicted from the rows that all of them train on.
    """
    place = np.full(count, -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    parts = []
    folds = without_repeats(folds)
    for first in range(min(len(folds), _MOST_FOLDS)):
        bunch = folds[first::_MOST_FOLDS]
        test, train = np.zeros(count, dtype=bool), np.ones(count, dtype=bool)
        for fold in bunch:
            test[fold.test] = True
            train &= _learned(fold, count, alone=len(bunch) == 1)
        parts.append((place[rows[(train & ~test)[rows]]], place[rows[test[rows]]]))
    return parts


def _learned(fold: Fold, count: int, *, alone: bool) -> np.ndarray:
    """(count,) bool, the training rows; all rows of a merged fold, whose parts change between its folds."""
    rows = np.zeros(count, dtype=bool)
    rows[fold.train] = True
    if not alone:
        rows[fold.valid] = rows[fold.test] = True
    return rows


def group_folds(groups: np.ndarray, folds: int) -> list[Part]:
    """Folds that keep groups whole; the largest remaining group always goes to the smallest fold."""
    sizes = np.bincount(groups)
    fold_of = np.zeros(len(sizes), dtype=np.int64)
    held = np.zeros(folds, dtype=np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        fold_of[group] = held.argmin()
        held[held.argmin()] += sizes[group]
    test = fold_of[groups]
    return [(np.flatnonzero(test != fold), np.flatnonzero(test == fold)) for fold in range(folds)]


def score(
    inputs: np.ndarray, targets: np.ndarray, parts: Iterable[Part], *, classes: bool, scaled: bool
) -> float:
    """The accuracy (for numbers, r2) over the test rows of all parts together; NaN if there are none.

    Args:
        inputs: (n, F) float32; a missing value is replaced by the mean of the training rows.
        targets: (n,) int64 classes or float64 numbers.
        scaled: divide each feature by its standard deviation in the training rows; False for pixels, which
            share a unit.
    """
    guesses, truths = [], []
    for train, test in parts:
        if len(train) and len(test):
            guesses.append(targets[train][_nearest(inputs[train], inputs[test], scaled)])
            truths.append(targets[test])
    if not guesses:
        return float("nan")
    guess, truth = np.concatenate(guesses), np.concatenate(truths)
    if classes:
        return float((guess == truth).mean())
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((truth - guess) ** 2).sum()) / spread if spread else float("nan")


def _nearest(train: np.ndarray, test: np.ndarray, scaled: bool) -> np.ndarray:
    """(t,) int64, for each test row the nearest training row."""
    known = np.isfinite(train)
    counts = known.sum(axis=0).clip(1)
    mean = np.where(known, train, 0).sum(axis=0, dtype=np.float64) / counts
    spread = np.sqrt((np.where(known, train - mean, 0) ** 2).sum(axis=0) / counts)
    scale = np.where(spread > 0, spread, 1) if scaled else 1.0
    ours, theirs = (
        np.where(np.isfinite(part), (part - mean) / scale, 0).astype(np.float32) for part in (train, test)
    )
    near: np.ndarray = ((ours**2).sum(axis=1) - 2 * theirs @ ours.T).argmin(axis=1)
    return near
