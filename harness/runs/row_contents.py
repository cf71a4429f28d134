"""Digests of the contents of rows, by which a row is recognised in another file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.core.frame_hash import row_hashes
from harness.core.table import Table


def distinct_contents(table: Table, rows: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The contents of those of the rows that no other row of the table has, and the columns they are of.

    A row whose contents occur twice cannot be recognised by them.

    Returns:
        (m,) uint64, sorted; and the features, none of an array. Nothing of sequences and of images in files.
    """
    if table.events is not None or (table.array is None and table.kind == "image" and table.shape is None):
        return np.empty(0, dtype=np.uint64), ()
    columns = table.features if table.array is None else ()
    contents = (
        array_contents(table.array) if table.array is not None else frame_contents(table.frame, columns)
    )
    values, counts = np.unique(contents, return_counts=True)
    return np.intersect1d(values[counts == 1], contents[rows]), columns


def frame_contents(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """(N,) uint64 of the values of the columns; equal for equal numbers and texts of whatever type."""
    plain = pd.DataFrame({number: _plain(frame[name]) for number, name in enumerate(columns)})
    return row_hashes(plain)


def array_contents(array: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """(N,) uint64 of the entries of an array, whatever type its numbers have."""
    digests = [
        hashlib.blake2b(np.asarray(row, np.float64).tobytes(), digest_size=8).digest() for row in array
    ]
    return np.array([int.from_bytes(digest, "little") for digest in digests], dtype=np.uint64)


def _plain(column: pd.Series) -> pd.Series:
    """The column as float64, or as text."""
    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_numeric_dtype(column.dtype):
        return column.astype("float64") + 0.0  # negative zero becomes zero
    return column.astype(str).astype(object)
