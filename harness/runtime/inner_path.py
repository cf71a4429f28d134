"""Paths that a file names: each must lie in the folder of that file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from harness.core.errors import UserError


class OutsideFolder(UserError):
    """A file of a folder names a path that is not in it, or holds something else than files and folders.

    Args:
        folder: the folder.
        path: what was named or found.
        why: behind "which", such as `lies outside of it`.
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
    """The path of a name in a folder, links followed.

    Raises:
        OutsideFolder: it lies elsewhere, by `..`, as an absolute path or behind a link.
    """
    path = folder / name
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # links in a circle, or a NUL in the name
        inside = False
    if not inside:
        raise OutsideFolder(folder, str(name))
    return path


def check_tree(folder: Path) -> None:
    """Checks that a folder from elsewhere consists of files and folders, and that its links stay in it.

    Raises:
        OutsideFolder: a link leaves it, or it holds a pipe, a socket or a device, on which a reader waits.
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
