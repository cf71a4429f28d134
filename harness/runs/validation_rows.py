"""The file `validation.npz` of a trial: the network's outputs for the validation rows of each fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, cast, get_args
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np

from harness.core.task import Task, TaskKind
from harness.runtime.atomic_file import replace_file
from harness.runtime.stored_file import DamagedFile, reading

FILE = "validation.npz"
PARTIAL = "done"
"""The folder of the files of single folds, while further folds are trained."""

_ARRAYS = ("fold", "row", "group", "target", "output")


@dataclass(frozen=True)
class ValidationRows:
    """The validation rows of a run whose targets are known, with the outputs of the best epoch's network.

    fold    (n,) int32, the number of the fold
    row     (n,) int64, position in the table
    group   (n,) int64, a code for the rows that belong together (a patient); the row itself without groups
    target  (n,) or (n, T), class codes or numbers, as in `harness.core.arrays.Arrays`
    output  (n, C) logits, (n,) one logit of class 1, or numbers (n,) or (n, T)
    """

    task: Task
    fold: np.ndarray
    row: np.ndarray
    group: np.ndarray
    target: np.ndarray
    output: np.ndarray

    @property
    def size(self) -> int:
        """Bytes of all arrays."""
        return sum(int(getattr(self, name).nbytes) for name in _ARRAYS)

    def same_rows(self, other: ValidationRows) -> bool:
        """Whether another trial was validated on the same rows with the same targets, in the same order."""
        return self.task == other.task and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in _ARRAYS[:-1]
        )


def write_validation(rows: ValidationRows, path: Path) -> None:
    """Writes the file whole or not at all.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    task = rows.task
    content = BytesIO()
    np.savez(
        content,
        kind=np.array(task.kind),
        classes=np.array(task.classes, dtype=np.str_),
        columns=np.array(task.columns, dtype=np.str_),
        **{name: getattr(rows, name) for name in _ARRAYS},
    )
    path.parent.mkdir(exist_ok=True)
    with replace_file(path, lasting=False) as draft:
        draft.write_bytes(content.getvalue())


def read_validation(path: Path) -> ValidationRows | None:
    """Returns the content; None if there is no such file.

    Raises:
        DamagedFile: it cannot be read, or contains something else.
    """
    try:
        with reading(path, KeyError, BadZipFile, ZlibError, TypeError), path.open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            arrays = {name: stored[name] for name in _ARRAYS}
            kind, classes, columns = (stored[name].tolist() for name in ("kind", "classes", "columns"))
    except FileNotFoundError:
        return None
    _check(path, kind, arrays)
    return ValidationRows(Task(cast("TaskKind", kind), tuple(classes), tuple(columns)), **arrays)


def _check(path: Path, kind: Any, arrays: dict[str, np.ndarray]) -> None:
    lengths = {array.shape[:1] for array in arrays.values()}
    whole = all(arrays[name].dtype.kind in "iu" for name in _ARRAYS[:3])
    numbers = all(arrays[name].dtype.kind in "iuf" for name in _ARRAYS[3:])
    if kind not in get_args(TaskKind) or not (whole and numbers) or len(lengths) != 1 or () in lengths:
        raise DamagedFile(path, "its arrays are not those of validation rows")


def partial_file(run: Path, fold: int) -> Path:
    """The file of one of several folds until the run ends."""
    return run / PARTIAL / f"validation-{fold:04}.npz"


def join_folds(run: Path, folds: Sequence[int]) -> None:
    """Joins the files of the folds to that of the run, once each fold has one; else nothing is changed.

    Raises:
        DamagedFile: one of them cannot be read.
        OSError: the disk is full, or the folder cannot be written.
    """
    paths = [partial_file(run, fold) for fold in folds]
    if not all(path.exists() for path in paths):
        return
    parts = [part for path in paths if (part := read_validation(path)) is not None]
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS}
    write_validation(ValidationRows(parts[0].task, **arrays), run / FILE)
    for path in paths:
        path.unlink()
