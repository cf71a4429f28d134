"""Finds the files and folders that a source names."""

from __future__ import annotations

import glob
from pathlib import Path

from harness.core.errors import UserError, near
from harness.core.user_path import user_path


def matching(names: str | list[str], key: str, within: str | None = None) -> list[Path]:
    """The files of a name, a pattern, or a list of these, sorted, without duplicates.

    `~` is the home folder; `*`, `?`, `[…]` and `**` (any depth of folders) match as in a shell.

    Args:
        names: relative ones start at the current folder.
        key: the yaml key that holds them, for messages.
        within: the pattern for the files of a folder; None: a folder is refused.

    Raises:
        UserError: nothing is named, a file does not exist, or a pattern matches none.
    """
    files: list[Path] = []
    for name in [names] if isinstance(names, str) else names:
        path = user_path(name)
        if path.is_dir() and within is not None:
            files += _matches(path / within, key)
        elif glob.has_magic(name) and not path.exists():
            files += _matches(path, key)
        else:
            files.append(file(name, key))
    if not files:
        raise UserError(f"{key} is an empty list", "name a file or more", key=key)
    return sorted(set(files))


def _matches(pattern: Path, key: str) -> list[Path]:
    paths = [Path(name) for name in glob.glob(str(pattern), recursive=True)]
    files = [path for path in paths if path.is_file() and not path.name.startswith("_")]
    if not files:
        raise UserError(
            f"{key}={pattern} matches no file", f"relative patterns start at {Path.cwd()}", key=key
        )
    return files


def file(name: str, key: str) -> Path:
    """The file of that name.

    Raises:
        UserError: it does not exist, or is a folder; suggests similar names.
    """
    path = user_path(name)
    if path.is_dir():
        names = (entry.name for entry in path.iterdir() if entry.is_file())
        raise UserError(f"{key}={path} is a folder, and a file is needed", near("", names), key=key)
    if not path.exists():
        raise _missing(path, key, "files")
    return path


def folder(name: str, key: str) -> Path:
    """The folder of that name.

    Raises:
        UserError: it does not exist, or is a file; suggests similar names.
    """
    path = user_path(name)
    if path.is_file():
        raise UserError(
            f"{key}={path} is a file, and a folder is needed", "name the folder that holds it", key=key
        )
    if not path.exists():
        raise _missing(path, key, "folders")
    return path


def _missing(path: Path, key: str, sort: str) -> UserError:
    if not path.parent.is_dir():
        return UserError(
            f"{key}={path} does not exist, nor does its folder",
            f"relative paths start at {Path.cwd()}",
            key=key,
        )
    entries = [entry for entry in path.parent.iterdir() if entry.is_dir() == (sort == "folders")]
    if sort == "files":
        entries = [entry for entry in entries if entry.suffix == path.suffix]
        sort = f"{path.suffix or 'other'} files"
    names = (entry.name for entry in entries)
    return UserError(
        f"{key}={path} does not exist", f"among the {sort} of its folder, {near(path.name, names)}", key=key
    )
