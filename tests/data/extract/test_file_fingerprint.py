import os
import time
from pathlib import Path

import pytest

from harness.data.extract import file_fingerprint
from harness.data.extract.file_fingerprint import fingerprint


@pytest.fixture
def tree(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(name)
    return tmp_path


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_fingerprint_stays_while_the_files_do(tree):
    paths = [tree / "a.csv", tree / "b.csv"]
    for path in paths:
        age(path, 10)
    assert fingerprint(paths) == fingerprint(paths)
    assert fingerprint(paths) != fingerprint(paths[:1])
    assert fingerprint(paths) != fingerprint(paths[::-1])


def test_small_files_are_recognised_by_their_content_whenever_they_changed(tree):
    path = tree / "a.csv"
    before = fingerprint([path])
    path.chmod(0o600)
    os.utime(path, ns=(0, 0))
    assert fingerprint([path]) == before
    path.write_text("B.csv")
    os.utime(path, ns=(0, 0))
    assert fingerprint([path]) != before


def test_a_large_file_that_changed_just_now_is_recognised_by_its_content(tree, monkeypatch):
    """Two changes within one tick of the clock: same size, same times, same inode."""
    monkeypatch.setattr(file_fingerprint, "SMALL", 0)
    path = tree / "a.csv"
    stat = path.stat()
    before = fingerprint([path])
    path.write_text("B.csv")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    assert fingerprint([path]) != before


def test_a_large_old_file_is_recognised_by_its_state_and_not_read(tree, monkeypatch):
    monkeypatch.setattr(file_fingerprint, "SMALL", 0)
    path = tree / "a.csv"
    later = time.time_ns() + 10 * file_fingerprint.RACY_NS
    monkeypatch.setattr(file_fingerprint.time, "time_ns", lambda: later)
    before = fingerprint([path])
    path.chmod(0)
    path.chmod(0o644)  # a change of its inode alone
    assert fingerprint([path]) != before
    monkeypatch.setattr(Path, "open", None)
    assert len(fingerprint([path])) == 64
