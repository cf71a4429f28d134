"""Fitted state as plain files: one JSON file, and one file for each bytes value. No pickle."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.protocol import Transform
from harness.runtime.inner_path import inner
from harness.runtime.stored_file import DamagedFile, configured_by, reason

STATE = "state.json"

_FAULTS = (OSError, LookupError, ValueError, TypeError, AttributeError, RecursionError)
"""What the restoring of a state raises where the stored values are not its own."""

_FILE = "$file"
_NUMBER = "$number"


def save(folder: Path, state: dict[str, Any]) -> None:
    """Writes `state.json` and `0.bin`, `1.bin` … into the folder, which is created.

    Args:
        state: bytes, text, numbers, booleans, None, and lists and dictionaries of these.

    Raises:
        TypeError: it contains another type.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pieces: list[bytes] = []
    plain = _plain(state, pieces)
    for number, piece in enumerate(pieces):
        (folder / f"{number}.bin").write_bytes(piece)
    (folder / STATE).write_text(json.dumps(plain, allow_nan=False))


def load(folder: Path) -> dict[str, Any]:
    """Reads what `save` wrote; tuples become lists, NumPy numbers become Python numbers.

    Raises:
        OutsideFolder: it names a file that is not in the folder.
    """
    restored = _restored(json.loads((folder / STATE).read_text()), folder)
    return dict(restored)


def restore(transform: Transform, folder: Path) -> None:
    """Gives a transform the state that `save` wrote.

    Raises:
        DamagedFile: the files are damaged, or contain no state of that transform.
        UserError: they contain something that is not built from a file.
    """
    from safetensors import SafetensorError

    try:
        with configured_by(folder / STATE):
            transform.restore(load(folder))
    except (*_FAULTS, SafetensorError) as error:
        raise DamagedFile(folder / STATE, f"{type(error).__name__}: {reason(error)}") from error


def _plain(value: Any, pieces: list[bytes]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    match value:
        case bytes():
            pieces.append(value)
            return {_FILE: f"{len(pieces) - 1}.bin"}
        case float() if not math.isfinite(value):
            return {_NUMBER: repr(value)}
        case None | bool() | int() | float() | str():
            return value
        case dict() if all(isinstance(key, str) for key in value):
            return {key: _plain(item, pieces) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item, pieces) for item in value]
    raise TypeError(f"a transform's state holds bytes, numbers, text, lists and dicts, got {type(value)}")


def _restored(value: Any, folder: Path) -> Any:
    match value:
        case {"$file": str(name)}:
            return inner(folder, name).read_bytes()
        case {"$number": str(number)}:
            return float(number)
        case dict():
            return {key: _restored(item, folder) for key, item in value.items()}
        case list():
            return [_restored(item, folder) for item in value]
    return value
