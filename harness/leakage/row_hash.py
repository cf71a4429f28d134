"""Finds rows with equal contents, by hashing each row as 64-bit words.

Rows with the same hash are then compared word by word, so a hash collision is never reported as a copy.
Words are computed for a few rows at a time, so memory use does not depend on the size of the table.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from harness.core.table import Table
from harness.leakage.duplicate_files import same_files
from harness.leakage.finding_text import codes
from harness.leakage.rounded_values import significant

Rows = slice | np.ndarray
Words = Callable[[Rows], np.ndarray]
"""Rows -> (n, W) uint64."""

WORDS_AT_ONCE = 2**19
_BASE = 0x9E3779B97F4A7C15


def copies(table: Table) -> np.ndarray:
    """(N,) int64, for each row the first row with the same features; itself if there is no earlier one.

    Floats are equal if their first six significant digits are (a table with one feature requires exact
    equality, because six digits can agree by chance). Files are equal if their bytes are, and sequences if
    their events are equal in the same order.
    """
    if table.events is not None and table.spans is not None:
        return _sequences(table.events, table.features, table.spans)
    if table.array is None and not table.features:
        return np.arange(len(table))
    words = _entries(table.array) if table.array is not None else _columns(table)
    first = _first(_hashes(words, len(table)))
    repeated = np.flatnonzero(first != np.arange(len(first)))
    step = _step(words)
    for start in range(0, len(repeated), step):
        some = repeated[start : start + step]
        differ = some[(words(some) != words(first[some])).any(axis=1)]
        first[differ] = differ
    return first


def _columns(table: Table) -> Words:
    if table.kind == "image" and len(table.features) == 1:
        column = table.frame[table.features[0]]
        if all(isinstance(value, str | Path) for value in column):
            return _stacked([same_files(column)], rounds=False)
    return _frame(table.frame, table.features)


def _frame(frame: pd.DataFrame, features: tuple[str, ...]) -> Words:
    return _stacked([_values(frame[name]) for name in features], rounds=len(features) > 1)


def _stacked(columns: list[np.ndarray], rounds: bool) -> Words:
    def words(rows: Rows) -> np.ndarray:
        return np.stack([_column(column[rows], rounds) for column in columns], axis=1)

    return words


def _values(column: pd.Series) -> np.ndarray:
    """(N,) numbers or times unchanged; codes of the distinct values for other columns."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "fiubmM":
        return column.to_numpy()
    return codes(column)[0]


def _column(values: np.ndarray, rounds: bool) -> np.ndarray:
    """(n,) uint64, equal for equal values."""
    if values.dtype.kind in "mM":
        return values.astype(np.int64).view(np.uint64)
    if values.dtype.kind != "f":
        return values.astype(np.uint64)
    floats = values.astype(np.float64) + 0.0  # turns negative zero into zero
    if rounds:
        floats = significant(floats)
    floats[np.isnan(floats)] = np.nan  # NaN has many bit patterns; use one
    return floats.view(np.uint64)


def _entries(array: np.ndarray) -> Words:
    def words(rows: Rows) -> np.ndarray:
        some = np.ascontiguousarray(array[rows])
        data = some.reshape(len(some), -1).view(np.uint8)
        return np.pad(data, ((0, 0), (0, -data.shape[1] % 8))).view(np.uint64)

    return words


def _hashes(words: Words, count: int) -> np.ndarray:
    """(count,) uint64, a hash of each row's words."""
    width, step = words(slice(0, 1)).shape[1], _step(words)
    factors = np.random.default_rng(0).integers(2**63, size=width, dtype=np.uint64) * np.uint64(2)
    factors += np.uint64(1)
    keys = np.empty(count, dtype=np.uint64)
    for start in range(0, count, step):
        keys[start : start + step] = _mixed(words(slice(start, start + step))) @ factors
    return keys


def _step(words: Words) -> int:
    """The number of rows that are processed at once."""
    width = int(words(slice(0, 1)).shape[1])
    return max(1, WORDS_AT_ONCE // max(1, width))


def _mixed(words: np.ndarray) -> np.ndarray:
    """The words after mixing: every input bit affects many output bits."""
    mixed: np.ndarray = words ^ (words >> np.uint64(32))
    mixed *= np.uint64(_BASE)
    mixed ^= mixed >> np.uint64(29)
    return mixed


def _first(keys: np.ndarray) -> np.ndarray:
    """(N,) int64, the first row with the same key."""
    numbers, distinct = pd.factorize(keys)
    first = np.empty(len(distinct), dtype=np.int64)
    first[numbers[::-1]] = np.arange(len(keys))[::-1]  # written backwards, so the first row of a key stays
    rows: np.ndarray = first[numbers]
    return rows


def _sequences(events: pd.DataFrame, features: tuple[str, ...], spans: np.ndarray) -> np.ndarray:
    """(N,) int64 as in `copies`, sample i being `events[spans[i, 0]:spans[i, 1]]`.

    The hash of a span is a polynomial in the hashes of its events, computed from cumulative sums, so that
    overlapping spans cost no more (Karp and Rabin, 1987; arithmetic modulo 2^64).
    """
    words = _frame(events, features)
    keys = _mixed(_hashes(words, len(events)))
    powers = np.full(len(events) + 1, _BASE, dtype=np.uint64)
    powers[0] = 1
    np.multiply.accumulate(powers, out=powers)
    inverse = np.full(len(events) + 1, pow(_BASE, -1, 2**64), dtype=np.uint64)
    inverse[0] = 1
    np.multiply.accumulate(inverse, out=inverse)
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(keys * powers[:-1], dtype=np.uint64)])
    start, stop = spans[:, 0], spans[:, 1]
    lengths = (stop - start).astype(np.uint64)
    first = _first(_mixed((sums[stop] - sums[start]) * inverse[start]) + lengths)
    for sample in np.flatnonzero(first != np.arange(len(first))):
        ours, theirs = (slice(*spans[number]) for number in (sample, first[sample]))
        if not np.array_equal(words(ours), words(theirs)):
            first[sample] = sample
    return first
