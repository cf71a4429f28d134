"""A lock on a file notices that the file is gone, and goes with its owner."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from harness.sweep.study.file_lock import FileLock


def test_a_lock_whose_file_was_removed_still_excludes_others(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    (tmp_path / "lock").unlink()
    with pytest.raises(FileNotFoundError, match="lock was removed while it was in use"), lock():
        raise AssertionError("within")


def test_a_lock_that_is_let_go_of_keeps_no_file_open(tmp_path: Path) -> None:
    gc.collect()  # files of other tests that were not closed yet
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        FileLock(tmp_path / "lock")
    assert len(os.listdir("/proc/self/fd")) == before
