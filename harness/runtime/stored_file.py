"""Reads the files that harness writes, and validates their content, types included."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from harness.core.error_text import whole_text
from harness.core.errors import UserError

_FILES = (".csv", ".json", ".jsonl", ".log", ".pt", ".safetensors", ".svg", ".html", ".txt", ".yaml")

_LONGEST_REASON = 200

REMEDY = "restore the file from a copy, or remove its folder"


class DamagedFile(UserError):
    """A file that harness wrote cannot be read, or contains something else than what harness writes.

    Args:
        path: the file.
        reason: what is wrong with it; no full stop.
        remedy: as for `UserError`.
    """

    def __init__(self, path: Path, reason: str, remedy: str = REMEDY) -> None:
        super().__init__(f"{path} is damaged ({reason})", remedy, key=str(path))
        self.path, self.reason = path, reason


@contextmanager
def reading(path: Path, *also: type[Exception]) -> Iterator[None]:
    """Within this context, an error of reading `path` becomes a `DamagedFile`.

    Args:
        also: further exceptions that the reader of this kind of file raises where its content is wrong.

    Raises:
        FileNotFoundError: the file does not exist.
        DamagedFile: it cannot be read.
    """
    faults: tuple[type[Exception], ...] = (OSError, ValueError, EOFError, RecursionError, *also)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe, for example, would block the reader
            raise DamagedFile(path, "it is not a file")
        yield
    except FileNotFoundError:
        raise
    except faults as error:
        raise DamagedFile(path, reason(error)) from error


def reason(error: Exception) -> str:
    """Returns the message of an error on one line of at most 200 characters, without secrets."""
    text = (isinstance(error, OSError) and error.strerror) or whole_text(error)
    return text[:_LONGEST_REASON].rstrip(".")


def read_json(path: Path, shape: Any) -> Any:
    """Returns the content of a JSON file of the given shape.

    Args:
        shape: a type that describes the content, such as a `TypedDict`; keys that it does not name are
            allowed, because another version of harness may write more.

    Raises:
        FileNotFoundError: the file does not exist.
        DamagedFile: it cannot be read, is no JSON, or has another shape.
    """
    with reading(path):
        content = json.loads(path.read_text(encoding="utf-8"))
    check_shape(content, shape, path)
    return content


def check_shape(content: Any, shape: Any, path: Path, place: str = "") -> None:
    """Checks that what was read from `path` has this shape.

    Args:
        place: where in the file the content stands, such as `line 3`.

    Raises:
        DamagedFile: it has another shape.
    """
    fault = _fault(content, shape)
    if fault is not None:
        raise DamagedFile(path, f"{place}: {fault}" if place else fault)


def _fault(content: Any, shape: Any) -> str | None:
    """Returns the first difference from the shape, such as `task.kind is missing`."""
    from pydantic import ValidationError

    try:
        _validator(shape)(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "its content"
        if first["type"] == "missing":
            return f"{place} is missing"
        return f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}"
    except RecursionError:
        return "it is nested too deeply"
    return None


@cache
def _validator(shape: Any) -> Callable[..., Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(shape).validate_python


def check_entries(folder: Path) -> None:
    """Checks that no folder is in the place of a file that harness writes, which could not be replaced.

    Raises:
        DamagedFile: there is one.
    """
    for path in sorted(folder.rglob("*.*")):
        if path.suffix in _FILES and path.is_dir():
            raise DamagedFile(path, "it is not a file")


@contextmanager
def configured_by(path: Path) -> Iterator[None]:
    """Within this context, an error about a setting names the file that contains the setting.

    Raises:
        UserError: the same error, with the path in front of its rule.
    """
    try:
        yield
    except DamagedFile:
        raise
    except UserError as error:
        raise error.with_rule(f"{path}: {error.rule}") from error
