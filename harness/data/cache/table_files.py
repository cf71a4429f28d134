"""A Table or Arrays as plain files that are mapped into memory, not copied, when they are read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from harness.core.arrays import Arrays
from harness.core.table import Table
from harness.core.task import Task

_FACTS = "facts.json"
_SCALE = "scale.json"
_CODES = "codes.json"
_PLAIN = (
    "features",
    "target",
    "group",
    "id",
    "kind",
    "shape",
    "name",
    "source",
    "aim",
    "time",
    "files",
    "contents",
    "positive",
    "time_parts",
)


def write_table(table: Table, folder: Path) -> None:
    """Writes a table into an empty folder.

    Raises:
        TypeError, ValueError: a column holds what Arrow cannot (several types, or objects).
    """
    facts = {name: getattr(table, name) for name in _PLAIN}
    facts |= {"rows": len(table), "digest": table.digest}
    for name in ("frame", "events"):
        frame = getattr(table, name)
        if frame is not None and len(frame.columns):
            _write_frame(frame, folder / f"{name}.arrow")
    for name in ("array", "spans"):
        array = getattr(table, name)
        if array is not None:
            _write_array(array, folder / f"{name}.npy")
    (folder / _FACTS).write_text(json.dumps(facts))


def read_table(folder: Path) -> Table:
    """The same table, its columns and arrays mapped and read-only."""
    facts: dict[str, Any] = json.loads((folder / _FACTS).read_text())
    rows, digest = facts.pop("rows"), facts.pop("digest")
    for name in ("frame", "events"):
        facts[name] = _read_frame(folder / f"{name}.arrow")
    if facts["frame"] is None:
        facts["frame"] = pd.DataFrame(index=pd.RangeIndex(rows))
    for name in ("array", "spans"):
        facts[name] = _read_array(folder / f"{name}.npy", "r")
    for name in ("features", "target", "shape", "time_parts"):
        facts[name] = None if facts[name] is None else tuple(facts[name])
    return Table(**facts).with_digest(digest)


def write_arrays(arrays: Arrays, folder: Path) -> None:
    """Writes arrays whose inputs are a tensor into an empty folder."""
    if not isinstance(arrays.inputs, Tensor):
        raise TypeError("inputs that are read on demand are not kept")
    _write_array(arrays.inputs.numpy(), folder / "inputs.npy")
    if arrays.targets is not None:
        _write_array(arrays.targets.numpy(), folder / "targets.npy")
    (folder / _SCALE).write_text(json.dumps(arrays.task.scale))
    if arrays.codes:
        (folder / _CODES).write_text(json.dumps(arrays.codes))


def read_arrays(folder: Path, task: Task) -> Arrays:
    """The same arrays, mapped; a write goes to memory of the process's own."""
    inputs, targets = (_read_array(folder / f"{name}.npy", "c") for name in ("inputs", "targets"))
    if inputs is None:
        raise FileNotFoundError(folder / "inputs.npy")
    task = replace(task, scale=json.loads((folder / _SCALE).read_text()))
    codes = tuple(json.loads((folder / _CODES).read_text())) if (folder / _CODES).exists() else ()
    known = None if targets is None else torch.from_numpy(targets)
    return Arrays(torch.from_numpy(inputs), known, task, codes=codes)


def _write_frame(frame: pd.DataFrame, path: Path) -> None:
    import pyarrow as pa

    schema = pa.Schema.from_pandas(frame)
    # As it is, NaN would be written as null, and reading it back would copy the column.
    columns = [
        pa.array(frame[name].to_numpy(), from_pandas=False)
        if frame[name].dtype in ("float64", "float32")
        else pa.array(frame[name], type=schema.field(position).type, from_pandas=True)
        for position, name in enumerate(frame.columns)
    ]
    chunks = [
        column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column for column in columns
    ]
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        writer.write_table(pa.Table.from_arrays(chunks, schema=schema))


def _read_frame(path: Path) -> pd.DataFrame | None:
    import pyarrow as pa

    if not path.exists():
        return None
    frame: pd.DataFrame = pa.ipc.open_file(pa.memory_map(str(path))).read_all().to_pandas(split_blocks=True)
    return frame


def _write_array(array: np.ndarray, path: Path) -> None:
    """Written, not mapped: of a mapped file, a full disk would end the process instead of raising OSError."""
    facts = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, facts)
        for first in range(0, len(array), _ROWS_AT_ONCE):  # a mapped array is never whole in memory
            file.write(np.ascontiguousarray(array[first : first + _ROWS_AT_ONCE]).data)


_ROWS_AT_ONCE = 4096


def _read_array(path: Path, mode: Any) -> np.ndarray | None:
    if not path.exists():
        return None
    array: np.ndarray = np.load(path, mmap_mode=mode, allow_pickle=False)
    return array
