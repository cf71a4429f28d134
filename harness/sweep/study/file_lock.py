"""Mutual exclusion among all processes that can open a file."""

from __future__ import annotations

import fcntl
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class FileLock:
    """A file under flock, which the kernel takes back from a dead holder.

    A lock of `flock` belongs to an open file, not to a process, so that two locks on one path
    exclude each other within a process too. A forked child, such as a worker that loads data, closes its
    copy of the open file: the lock of a parent that was killed would otherwise live on in it.

    Raises:
        OSError: the file cannot be opened, or its file system knows no locks; FileNotFoundError where the
            file was removed while the lock was in use, because those who come later lock another one.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(path)
        self._threads = threading.Lock()
        self._file = -1  # nothing to close where it cannot be opened
        self._file = self._opened()
        in_forked_children(self._leave_to_parent)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._threads:
            if self._file < 0:
                self._file = self._opened()
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX)
                if os.fstat(self._file).st_nlink == 0:
                    raise FileNotFoundError(f"{self._path} was removed while it was in use")
                yield
            finally:
                if self._file >= 0:  # it is not where the block was left in a forked child
                    fcntl.flock(self._file, fcntl.LOCK_UN)

    def __del__(self) -> None:
        self._close()

    def _opened(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def _leave_to_parent(self) -> None:
        self._close()
        self._threads = threading.Lock()  # another thread, which the child lacks, may have held it

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def in_forked_children(leave: Callable[[], None]) -> None:
    """Calls the method in every child forked from now on, without keeping its object alive."""
    method = weakref.WeakMethod(leave)

    def let_go() -> None:
        bound = method()
        if bound is not None:
            bound()

    os.register_at_fork(after_in_child=let_go)
