"""The files in a bundle's folder, and the content of `bundle.json`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from annotated_types import Ge, Gt, Len
from typing_extensions import TypedDict

from harness.core.table import Kind
from harness.core.task import Scale, TaskKind
from harness.runtime.inner_path import inner
from harness.runtime.stored_file import DamagedFile, read_json, reading

WEIGHTS = "weights.safetensors"
TRANSFORM = "transform"
FACTS = "bundle.json"
EXAMPLE = "example.json"

_Size = Annotated[int, Ge(1)]


class _Task(TypedDict):
    kind: TaskKind
    classes: list[str]
    columns: list[str]
    scale: NotRequired[Scale]


class _Data(TypedDict):
    transform: dict[str, Any]


class _Config(TypedDict):
    model: dict[str, Any]
    trainer: dict[str, Any]
    data: _Data


class Facts(TypedDict):
    """The content of `bundle.json`: the fields of `harness.bundle.bundle.Bundle`, and more.

    files  SHA-256 of each other file of the bundle, by its path in the folder; earlier versions have none
    """

    config: _Config
    task: _Task
    columns: dict[str, str]
    kind: Kind
    image: Annotated[list[_Size], Len(3, 3)] | None
    array: list[_Size] | None
    id: str | None
    time: str | None
    inputs: list[_Size]
    width: _Size
    head: bool
    autocast: Literal["bfloat16", "float16"] | None
    outputs: dict[str, str]
    files: NotRequired[dict[str, str]]
    members: NotRequired[list[str]]
    temperature: NotRequired[Annotated[float, Gt(0)]]
    codes: NotRequired[list[_Size]]
    requirements: NotRequired[list[str]]
    code: NotRequired[list[str]]


def read_facts(folder: Path) -> Any:
    """Returns the content of `bundle.json`, of the shape `Facts`.

    Args:
        folder: of a bundle or an ensemble.

    Raises:
        FileNotFoundError: there is no bundle, or it is incomplete.
        DamagedFile: the file cannot be read, or is no description of a bundle.
    """
    return read_json(folder / FACTS, Facts)


def read_example(folder: Path) -> Any:
    """Returns the raw rows that a bundle keeps as an example, a DataFrame; None if it keeps none.

    Raises:
        DamagedFile: the file is no table of rows.
    """
    import pandas as pd

    path = folder / EXAMPLE
    try:
        with reading(path, LookupError, TypeError, AttributeError):
            return pd.read_json(path, orient="table")
    except FileNotFoundError:
        return None


def digests(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of every file of a bundle but `bundle.json`, by its path in the folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != FACTS)
    return {file.relative_to(folder).as_posix(): _digest(file) for file in files}


def check_files(folder: Path) -> None:
    """Checks that the files of a bundle have the content that was written.

    Raises:
        FileNotFoundError: there is no bundle, or it is incomplete.
        DamagedFile: a file is missing, cannot be read, or was changed.
        OutsideFolder: a path leads out of the folder.
    """
    for name, digest in read_facts(folder).get("files", {}).items():
        path = inner(folder, name)
        try:
            with reading(path):
                same = _digest(path) == digest
        except FileNotFoundError:
            raise DamagedFile(path, "it is missing") from None
        if not same:
            raise DamagedFile(path, f"its content is not that which {FACTS} describes")


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
