"""Finds the files and folders that a source names."""

from __future__ import annotations

import glob
import re
from pathlib import Path

from harness.core.errors import UserError
from harness.core.near_names import near
from harness.core.user_path import user_path

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
_SPREADSHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers")


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
    _refuse_other(pattern, key)
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
        UserError: it does not exist, or is a folder; suggests similar names. It is a spreadsheet.
    """
    path = user_path(name)
    _refuse_other(path, key)
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
    _refuse_other(path, key)
    if path.is_file():
        raise UserError(
            f"{key}={path} is a file, and a folder is needed", "name the folder that holds it", key=key
        )
    if not path.exists():
        raise _missing(path, key, "folders")
    return path


def _refuse_other(path: Path, key: str) -> None:
    """Refuses what no source reads, although its name says what it is."""
    if path.suffix.lower() in _SPREADSHEETS and not path.is_dir():
        raise UserError(
            f"{key}={path} is a spreadsheet, which is not read",
            "save its sheet as a CSV file",
            key=key,
        )
    if _ADDRESS.match(str(path)) and not path.exists():
        address = re.sub(":/+", "://", str(path), count=1)  # as typed: a Path has one slash
        raise UserError(
            f"{key}={address} is an address, and a file or folder of this machine is needed",
            "download it, and name the path",
            key=key,
        )


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
    rule = f"{key}={path} does not exist"
    if not entries:
        return UserError(rule, f"its folder has no {sort}; correct the path", key=key)
    names = (entry.name for entry in entries)
    return UserError(rule, f"among the {sort} of its folder, {near(path.name, names)}", key=key)
