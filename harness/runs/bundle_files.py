"""The files in a bundle's folder, and the content of `bundle.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from annotated_types import Ge, Len
from typing_extensions import TypedDict

from harness.core.table import Kind
from harness.core.task import TaskKind
from harness.runtime.stored_file import read_json

WEIGHTS = "weights.safetensors"
TRANSFORM = "transform"
FACTS = "bundle.json"
EXAMPLE = "example.json"

_Size = Annotated[int, Ge(1)]


class _Task(TypedDict):
    kind: TaskKind
    classes: list[str]
    columns: list[str]


class _Data(TypedDict):
    transform: dict[str, Any]


class _Config(TypedDict):
    model: dict[str, Any]
    trainer: dict[str, Any]
    data: _Data


class Facts(TypedDict):
    """The content of `bundle.json`; the fields are those of `harness.bundle.bundle.Bundle`, and more."""

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
    members: NotRequired[list[str]]
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
