"""Finds rows of an evaluation that the model was trained on, whose scores say nothing about new rows."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from harness.core.errors import UserError
from harness.core.finding import Finding
from harness.core.frame_hash import row_hashes
from harness.core.table import Table
from harness.replay.evaluate_rows import Trained
from harness.runs.stored_run import StoredRun

CHECK = "exposure"


def chosen_rows(
    logged: StoredRun, table: Table, trained: Trained, everything: bool
) -> tuple[np.ndarray, list[Finding]]:
    """Returns (n,) int64, the rows to score, and findings about them.

    If the data is that of the run, only its test rows are scored, unless `everything` is true.

    Raises:
        UserError: the run has no test rows, so that every score would be one of training rows.
    """
    labelled = np.flatnonzero(table.labelled) if table.target else np.arange(len(table))
    if trained.table is not table:
        return labelled, [_seen(logged, table, labelled, trained)]
    if trained.parts is None and not everything:
        raise UserError(
            f"this is the data that {logged.label} was trained on, and which of its rows is not known "
            "any more "
            "(its folds.npz is gone)",
            "give other rows with data/extract=…, or score all of them with --all",
        )
    kept = np.intersect1d(labelled, trained.untouched)
    if everything:
        return labelled, [_warned(len(labelled) - len(kept), len(labelled), "was trained or chosen on")]
    if not len(kept):
        raise UserError(
            f"this is the data that {logged.label} was trained on, and every row of it was learned by "
            "the model "
            "(or one of its members)",
            "give other rows with data/extract=…, name one fold, such as "
            f"{logged.label}/fold-0, or score them all the same with --all",
        )
    message = (
        f"this is the data of the run: its {len(kept):,} test rows are scored, of {len(labelled):,} "
        f"(--all: all)."
    )
    return kept, [Finding(CHECK, "fine", message)]


def _seen(logged: StoredRun, table: Table, rows: np.ndarray, trained: Trained) -> Finding:
    """Finds rows with the same features, or the same id, as rows that the model was trained on."""
    if trained.table is None or trained.parts is None:
        message = f"whether {logged.label} has learned some of these rows is not known: {trained.why}."
        return Finding(CHECK, "warning", message)
    old = trained.table
    learned = np.flatnonzero((trained.parts != 0).any(axis=0) & ~_untouched(trained))
    same = np.isin(_contents(table)[rows], _contents(old)[learned])
    if table.id is not None and table.id == old.id:
        same |= table.frame[table.id].iloc[rows].isin(old.frame[old.id].iloc[learned]).to_numpy()
    if not same.any():
        message = (
            f"none of {len(rows):,} rows has the features or the id of a row that {logged.label} has learned."
        )
        return Finding(CHECK, "fine", message)
    return _warned(int(same.sum()), len(rows), "has learned, by their features or their id")


def _untouched(trained: Trained) -> np.ndarray:
    assert trained.parts is not None
    mask = np.zeros(trained.parts.shape[1], dtype=bool)
    mask[trained.untouched] = True
    return mask


def _warned(count: int, rows: int, how: str) -> Finding:
    if not count:
        return Finding(CHECK, "fine", f"none of {rows:,} rows is one that the model {how}.")
    message = (
        f"{count:,} of {rows:,} rows are rows that the model {how}: their score is one of "
        f"remembering, and says "
        "nothing about new rows."
    )
    return Finding(CHECK, "warning", message)


def _contents(table: Table) -> np.ndarray:
    """Returns (N,) a hash of the features of each row."""
    if table.array is not None:
        return np.array([_digest(row.tobytes()) for row in table.array], dtype=np.uint64)
    if table.events is not None and table.spans is not None:
        cells = _hashes(table.events, table.features)
        return np.array(
            [_digest(cells[start:stop].tobytes()) for start, stop in table.spans], dtype=np.uint64
        )
    return _hashes(table.frame, table.features)


def _hashes(frame: pd.DataFrame, features: tuple[str, ...]) -> np.ndarray:
    return row_hashes(frame[list(features)])


def _digest(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")
