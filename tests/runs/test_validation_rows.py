"""harness/runs/validation_rows.py"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.core.task import Task
from harness.runs.validation_rows import (
    FILE,
    ValidationRows,
    join_folds,
    partial_file,
    read_validation,
    write_validation,
)
from harness.runtime.stored_file import DamagedFile


def rows(fold: int = 0) -> ValidationRows:
    return ValidationRows(
        Task("multiclass", ("a", "b", "c")),
        np.full(4, fold, dtype=np.int32),
        np.arange(4) + 10 * fold,
        np.array([0, 0, 1, 1]),
        np.array([0, 1, 2, 1]),
        np.arange(12, dtype=np.float32).reshape(4, 3),
    )


def test_what_is_written_is_read_with_its_types(tmp_path: Path) -> None:
    write_validation(rows(), tmp_path / FILE)
    found = read_validation(tmp_path / FILE)
    assert found is not None
    assert found.same_rows(rows())
    assert found.output.dtype == np.float32
    assert np.array_equal(found.output, rows().output)
    assert not found.same_rows(replace(rows(), target=np.array([0, 1, 2, 2])))
    assert read_validation(tmp_path / "none.npz") is None


def test_folds_are_joined_once_each_of_them_is_there(tmp_path: Path) -> None:
    write_validation(rows(1), partial_file(tmp_path, 1))
    join_folds(tmp_path, range(2))
    assert read_validation(tmp_path / FILE) is None
    write_validation(rows(0), partial_file(tmp_path, 0))
    join_folds(tmp_path, range(2))
    found = read_validation(tmp_path / FILE)
    assert found is not None
    assert found.row.tolist() == [0, 1, 2, 3, 10, 11, 12, 13]
    assert not list(tmp_path.rglob("validation-*"))


@pytest.mark.parametrize("fault", ["text", "lengths", "types"])
def test_a_damaged_file_is_named(tmp_path: Path, fault: str) -> None:
    path = tmp_path / FILE
    if fault == "text":
        path.write_text("not an archive")
    elif fault == "lengths":
        write_validation(replace(rows(), row=np.arange(3)), path)
    else:
        write_validation(replace(rows(), group=np.array(["a", "b", "c", "d"])), path)
    with pytest.raises(DamagedFile) as refused:
        read_validation(path)
    assert refused.value.path == path
