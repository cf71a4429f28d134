"""Pairs: for each row of a table, the rows that some of its columns name by id."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from harness.core.errors import UnknownName, UserError
from harness.core.table import Table
from harness.core.typed_override import typed

ROLES = ("positive", "negative")
"""What the first and the second of such columns name."""


def find_pairs(table: Table, columns: tuple[str, ...], train: np.ndarray) -> tuple[Tensor, str]:
    """The positions of the rows that each training row is compared with, and a sentence about them.

    Only training rows are paired, and only with training rows: rows that validate or test are never
    learned from, even if a training row names them.

    Args:
        columns: that with the id of each row's positive, and perhaps that of its negative.
        train: (n,) int64, the training rows.

    Returns:
        (N, len(columns)) int64, -1 where there is none.

    Raises:
        UserError: no id column, no such column, an id that no row has, or no row with all its paired rows.
    """
    named = np.stack([_positions(table, *pair) for pair in zip(ROLES, columns, strict=False)], axis=1)
    training = np.zeros(len(table) + 1, dtype=bool)  # the last entry is for position -1, no row
    training[train] = True
    usable = training[:-1, None] & training[named]
    pairs = np.where(usable, named, -1)
    what = " and a ".join(ROLES[: len(columns)])
    anchors = int((pairs[train] >= 0).all(axis=1).sum())
    if not anchors:
        raise UserError(
            f"trainer.method.positive={columns[0]} must name a training row for some training row of "
            f"{table.name}, and none of {len(train)} has a {what} in its part",
            "fill the "
            f"{'column' if len(columns) == 1 else 'columns'}, or let data.extract.group keep together what "
            "belongs together",
            key="trainer.method.positive",
        )
    empty = int((named[train] < 0).any(axis=1).sum())
    apart = len(train) - anchors - empty
    return torch.from_numpy(pairs), (
        f"{anchors:,} of {len(train):,} training rows learn as anchors: {empty:,} name no {what}, and "
        f"{apart:,} one that is no training row"
    )


def _positions(table: Table, role: str, column: str) -> np.ndarray:
    """(N,) int64: the position of the row whose id is in the column, -1 where it is empty."""
    key = f"trainer.method.{role}={column}"
    ids = _ids(table, key)
    _require_column(table, key, column)
    values = table.frame[column]
    known = np.flatnonzero(values.notna())
    matched = ids.get_indexer(pd.Index(values.iloc[known]))
    missing = np.flatnonzero(matched < 0)
    if len(missing):
        first = values.iloc[known[missing[0]]]
        raise UserError(
            f"{key} must hold ids of rows, and {len(missing)} of its values in {table.name} are none, the "
            f"first {str(first)!r} in row {known[missing[0]]}",
            "correct them, or leave those cells empty",
            key=key,
        )
    positions = np.full(len(table), -1)
    positions[known] = np.flatnonzero(table.frame[table.id].notna())[matched]
    return positions


def _ids(table: Table, key: str) -> pd.Index:
    if table.id is None:
        raise UserError(
            f"{key} names rows by their id, and {table.name} has no id column",
            "name it with data.extract.id=COLUMN",
            key=key,
        )
    ids: pd.Index = pd.Index(table.frame[table.id].dropna())
    return ids


def _require_column(table: Table, key: str, column: str) -> None:
    columns = [str(name) for name in table.frame.columns]
    if column not in columns:
        raise UnknownName(f"{key} names a column that {table.name} does not have", column, columns, key=key)
    if column in table.features:
        raise UserError(
            f"{key} must be a column that the model does not see, and it is a feature of {table.name}",
            f"set {typed('data.extract.keep', [column])}",
            key=key,
        )
    if column in table.target:
        raise UserError(
            f"{key} must be a column that is not predicted, and it is a target of {table.name}",
            "take it out of data.extract.target",
            key=key,
        )
