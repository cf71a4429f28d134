"""Checks that the paths named in a folder's files are inside that folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from harness.core.errors import UserError


class OutsideFolder(UserError):
    """A folder names a path outside of it, or contains something other than files and folders.

    Args:
        folder: the folder.
        path: the path that was named or found.
        why: the end of the sentence after "which", such as `lies outside of it`.
    """

    def __init__(self, folder: Path, path: str, why: str = "lies outside of it") -> None:
        super().__init__(
            f"{folder} names {path!r}, which {why}",
            "use only folders whose origin you trust",
            key=str(folder),
            value=path,
        )
        self.folder, self.path = folder, path


def inner(folder: Path, name: str | Path) -> Path:
    """Returns `folder / name`, after checking that it is in the folder when links are followed.

    Raises:
        OutsideFolder: it is elsewhere: by `..`, as an absolute path, or through a link.
    """
    path = folder / name
    try:
        actual = path.resolve()
        # A circle of links ends in a link where Python 3.13 and later follow it, and in an error before.
        inside = actual.is_relative_to(folder.resolve()) and not actual.is_symlink()
    except (OSError, ValueError, RuntimeError):  # links in a circle, or a NUL in the name
        inside = False
    if not inside:
        raise OutsideFolder(folder, str(name))
    return path


_confined: ContextVar[bool] = ContextVar("confined", default=False)


@contextmanager
def confined(active: bool = True) -> Iterator[None]:
    """Within this context, a source that is read may list only files in its own folder, see `check_listed`.

    Args:
        active: false: nothing changes.
    """
    token = _confined.set(active or _confined.get())
    try:
        yield
    finally:
        _confined.reset(token)


def check_listed(folder: Path, names: Iterable[str]) -> None:
    """Checks the files that a source lists, if it is that of a run from elsewhere.

    Raises:
        OutsideFolder: one is not in the folder.
    """
    for name in names if _confined.get() else ():
        inner(folder, name)


def check_tree(folder: Path) -> None:
    """Checks that a folder from elsewhere contains only files and folders, and that its links stay in it.

    Raises:
        OutsideFolder: a link leaves it, or it contains a pipe, socket or device, which could block a reader.
    """
    for above, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(above, name)
            mode = path.lstat().st_mode
            relative = path.relative_to(folder)
            if stat.S_ISLNK(mode):
                inner(folder, relative)
            elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise OutsideFolder(folder, str(relative), "is neither a file nor a folder")
