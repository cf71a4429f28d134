"""How many test rows would equal a training row by chance, because features have few or frequent values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage.finding_text import codes
from harness.leakage.rounded_values import significant

MOST_ROWS = 20_000
_MOST_FEATURES = 64
_PAIR_ROWS = 2000
_ROWS_PER_BIN = 20
_MOST_BINS = 200
_UNSEEN = 0.5
"""Added to the count of each value, so that a value of these copies alone is rare and not impossible."""


def expected_copies(table: Table, folds: Sequence[Fold], first: np.ndarray) -> float:
    """The expected number of test rows that equal a training row by chance; 0 if the features are no columns.

    The probability of a row's values is a product over the features. Each factor is the frequency of the
    value among rows with about the same value of one other feature, the one with the largest mutual
    information (Chow and Liu, 1968). A row and its copies are left out of their own frequencies, so a copied
    row is as rare as its values are in other rows.

    Args:
        first: (N,) int64 as `row_hash.copies` returns it.
    """
    rows = _sample(folds, len(table))
    columns = _columns(table, rows)
    if not columns:
        return 0.0
    same = np.unique(first[rows], return_inverse=True)[1]
    logs = _log_probabilities(columns, np.bincount(same)[same] if len(columns) > 1 else np.zeros(len(rows)))
    place = np.full(len(table), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    expected = 0.0
    for fold in folds:
        known = place[fold.test][place[fold.test] >= 0]
        if len(known):
            trained = len(fold.train) + len(fold.valid)
            chance = -np.expm1(trained * np.log1p(-np.exp(logs[known]).clip(max=1 - 1e-12)))
            expected += float(chance.mean()) * len(fold.test)
    return expected


def _sample(folds: Sequence[Fold], count: int) -> np.ndarray:
    """(n,) int64, at most MOST_ROWS rows of the folds, spread evenly."""
    used = np.zeros(count, dtype=bool)
    for fold in folds:
        for rows in (fold.train, fold.valid, fold.test):
            used[rows] = True
    known = np.flatnonzero(used)
    return known[np.arange(min(len(known), MOST_ROWS)) * len(known) // min(len(known), MOST_ROWS)]


def _columns(table: Table, rows: np.ndarray) -> list[np.ndarray]:
    """(n,) int64 codes of the values of each feature, of at most 64: those with the most information."""
    if table.kind != "table" or table.events is not None:
        return []
    if table.array is not None:
        values = [np.asarray(column) for column in table.array[rows].reshape(len(rows), -1).T]
    else:
        values = [table.frame[name].iloc[rows].to_numpy() for name in table.features]
    coded = [_coded(column, rounds=len(values) > 1) for column in values]
    if len(coded) > _MOST_FEATURES:
        kept = sorted(range(len(coded)), key=lambda place: -_entropy(np.bincount(coded[place])))
        coded = [coded[place] for place in sorted(kept[:_MOST_FEATURES])]
    return coded


def _coded(values: np.ndarray, *, rounds: bool) -> np.ndarray:
    """(n,) int64, in the order of the values if they are numbers; a missing value is one more value."""
    if values.dtype.kind not in "fiub":
        return codes(values)[0] + 1
    if values.dtype.kind == "f" and rounds:
        values = significant(values.astype(np.float64))
    return np.unique(values, return_inverse=True)[1]


def _coarse(column: np.ndarray) -> np.ndarray:
    """(n,) int64, the same codes if they are few, else bins of 20 rows or more, which show a dependence."""
    most = min(max(8, len(column) // _ROWS_PER_BIN), _MOST_BINS)
    if column.max() < most:
        return column
    ranks = np.searchsorted(np.sort(column), column)
    bins: np.ndarray = np.unique(ranks * most // len(column), return_inverse=True)[1]
    return bins


def _log_probabilities(columns: list[np.ndarray], own: np.ndarray) -> np.ndarray:
    """(n,) float64, of the values of each row.

    Args:
        own: (n,) int64, how many rows are left out of the frequencies: the row and its copies.
    """
    alone = [_frequency(column, own) for column in columns]
    logs = np.zeros(len(own))
    coarse = [_coarse(column) for column in columns]
    for child, parent in enumerate(_parents(coarse)):
        frequency = alone[child]
        if parent >= 0:
            pair = columns[child] * (int(coarse[parent].max()) + 1) + coarse[parent]
            both, given = (_counts(values) - own for values in (pair, coarse[parent]))
            frequency = (both + frequency) / (given + 1)  # few rows with the parent's value: as without it
        logs += np.log(frequency)
    return logs


def _frequency(column: np.ndarray, own: np.ndarray) -> np.ndarray:
    distinct = len(np.unique(column))
    frequency: np.ndarray = (_counts(column) - own + _UNSEEN) / (len(column) - own + _UNSEEN * distinct)
    return frequency


def _counts(column: np.ndarray) -> np.ndarray:
    """(n,) int64, how many rows have the value of each row."""
    _, numbers, counts = np.unique(column, return_inverse=True, return_counts=True)
    rows: np.ndarray = counts[numbers]
    return rows


def _parents(columns: list[np.ndarray]) -> list[int]:
    """For each feature the one that its frequencies depend on, -1 for none.

    A spanning tree, grown from feature 0 by the largest mutual information (Prim).
    """
    step = max(1, len(columns[0]) // _PAIR_ROWS)
    some = [np.unique(column[::step], return_inverse=True)[1] for column in columns]
    single = [_entropy(np.bincount(column)) for column in some]
    parents = [-1] * len(columns)
    best = np.full(len(columns), -np.inf)
    outside = set(range(1, len(columns)))
    newest = 0
    while outside:
        for child in outside:
            shared = _shared(some[newest], some[child], single[newest] + single[child])
            if shared > best[child]:
                best[child], parents[child] = shared, newest if shared > 0 else -1
        newest = max(outside, key=best.__getitem__)
        outside.remove(newest)
    return parents


def _shared(one: np.ndarray, other: np.ndarray, apart: float) -> float:
    """Mutual information in nats, less its bias for so many values (Miller and Madow); 0 if it may be chance.

    Of independent features, 2 n times it is distributed as chi-squared.
    """
    width = int(other.max()) + 1
    information = apart - _entropy(np.unique(one * width + other, return_counts=True)[1])
    freedom = int(one.max()) * (width - 1)
    surplus = 2 * len(one) * information - freedom
    return surplus / (2 * len(one)) if surplus > 3 * math.sqrt(2 * freedom) else 0.0


def _entropy(counts: np.ndarray) -> float:
    """In nats."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
