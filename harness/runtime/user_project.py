"""The user's project: a folder whose pyproject.toml has a table `[tool.harness]`."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.core.errors import UserError
from harness.core.near_names import near

_FILE = "pyproject.toml"
_KEYS = ("allow", "conf")


@dataclass(frozen=True)
class Project:
    """The content of `[tool.harness]`.

    root   the folder of the pyproject.toml, which contains the user's package
    conf   the folder of the user's yaml files; None: there is none
    allow  packages that a configuration from elsewhere may name, see `harness.bundle.allowlist`
    """

    root: Path
    conf: Path | None
    allow: tuple[str, ...] = ()


def find(start: Path | None = None) -> Project | None:
    """Returns the project of `start` (default: the current folder) or of the nearest folder above; else None.

    Raises:
        UserError: the table is invalid.
    """
    place = (start or Path.cwd()).absolute()
    for folder in (place, *place.parents):
        table = _table(folder / _FILE)
        if table is not None:
            return Project(folder, _conf(folder, table), _allow(folder, table))
    return None


def enter() -> None:
    """Makes the package of the current project importable, installed or not.

    `python -m` has the current folder on its path already; the console script and subfolders of the project
    do not. It is appended last, so that no file of the project is imported instead of a library.

    Raises:
        UserError: the table is invalid.
    """
    project = find()
    if project is not None and str(project.root) not in sys.path:
        sys.path.append(str(project.root))


def _table(file: Path) -> dict[str, Any] | None:
    try:
        state = file.stat()
        return _read(file, state.st_mtime_ns, state.st_size)
    except (OSError, UnicodeDecodeError):
        return None


@lru_cache(maxsize=64)  # every composition calls it
def _read(file: Path, changed: int, size: int) -> dict[str, Any] | None:
    text = file.read_text(encoding="utf-8")
    if "harness" not in text:  # not ours, and possibly not valid TOML
        return None
    try:
        table = tomllib.loads(text).get("tool", {}).get("harness")
    except (tomllib.TOMLDecodeError, AttributeError) as fault:
        raise UserError(f"{file} cannot be read as TOML: {fault}", "correct it") from None
    if table is None:
        return None
    if not isinstance(table, dict):
        raise UserError(f"tool.harness of {file} must be a table, got {table!r}", "write [tool.harness]")
    for key in table:
        if key not in _KEYS:
            raise UserError(
                f"[tool.harness] of {file} has no key {key!r}", near(key, _KEYS), key=str(file), value=key
            )
    return table


def _conf(folder: Path, table: dict[str, Any]) -> Path | None:
    named = table.get("conf")
    if named is None:
        return None
    if not isinstance(named, str) or not (folder / named).is_dir():
        raise UserError(
            f"conf in [tool.harness] of {folder / _FILE} must name a folder of yaml files beside it, "
            f"got {named!r}",
            "make that folder, or correct the line",
        )
    return folder / named


def _allow(folder: Path, table: dict[str, Any]) -> tuple[str, ...]:
    allow = table.get("allow", [])
    if not isinstance(allow, list) or not all(isinstance(word, str) for word in allow):
        raise UserError(
            f"allow in [tool.harness] of {folder / _FILE} must be a list of packages, got {allow!r}",
            'write allow = ["my_package"]',
        )
    return tuple(allow)
