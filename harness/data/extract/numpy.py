"""Numpy: arrays in .npy and .npz files."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from harness.core.errors import UnknownName, UserError
from harness.core.table import Table
from harness.data.extract import source_files
from harness.data.extract.column_roles import Roles
from harness.data.extract.file_fingerprint import fingerprint
from harness.data.extract.source import Source

log = logging.getLogger("harness")

_COLUMNS = {"targets": "target", "groups": "group", "ids": "id"}
_DIMENSIONS = {"table": (2, "(N, F)"), "image": (4, "(N, C, H, W)"), "sequence": (3, "(N, T, F)")}
_MOST_CHANNELS = 4
"""Channels of a common image: red, green, blue and alpha."""


class Numpy(Source):
    """Features as one array: (N, F) rows, (N, C, H, W) or (N, H, W) images, (N, T, F) sequences, by `kind`.

    Arrays of .npy files are memory-mapped, so that the features may be larger than memory; an .npz
    archive is read whole. Targets (N,) are the column `target`, several (N, T) the columns `target_0`,
    `target_1`, …, groups (N,) the column `group`, ids (N,) the column `id`; each has its role unless
    `Source`'s argument of that name gives the role to another. Files are never unpickled.

    Args:
        path: an .npz archive, or the .npy file of the features; None: `inputs` names that file.
        inputs, targets, groups, ids: with an archive, the names in it (None: the argument's own name,
            where the archive has it); else .npy files.
        layout: of images, where the channels stand; "channels_last" is turned by a view, not a copy.
    """

    def __init__(
        self,
        *,
        path: str | None,
        inputs: str | None,
        targets: str | None,
        groups: str | None,
        ids: str | None,
        layout: Literal["channels_first", "channels_last"],
        **roles: Any,
    ) -> None:
        super().__init__(**roles)
        self.path, self.layout = path, layout
        self.names = {"inputs": inputs, "targets": targets, "groups": groups, "ids": ids}

    def __call__(self) -> Table:
        """Raises UserError: no such file or name, or arrays that fit neither each other nor the roles."""
        paths = self._paths()
        arrays = self._archive(paths["path"]) if "path" in paths else {}
        arrays |= {
            part: _load(path, f"data.extract.{part}") for part, path in paths.items() if part != "path"
        }
        inputs = self._features(arrays.pop("inputs"))
        frame = pd.DataFrame(index=pd.RangeIndex(len(inputs)))
        for part, values in arrays.items():
            _require_labels(values, len(inputs), part)
            frame = frame.join(_columns(values, _COLUMNS[part]))
        first = paths.get("path") or paths["inputs"]
        roles = self._roles(list(frame.columns))
        return roles.assign(frame, self.name or first.stem, str(self.path or self.names["inputs"]), inputs)

    def fingerprint(self) -> str:
        """Of the files, see `harness.data.extract.file_fingerprint.fingerprint`."""
        return fingerprint(self._paths().values())

    def _paths(self) -> dict[str, Path]:
        """The files by the argument that names them; an archive is under "path"."""
        if self.path is None and self.names["inputs"] is None:
            raise UserError(
                "data.extract.path needs the file to read",
                "give data.extract.path=FILE.npz, or data.extract.inputs=FILE.npy",
                key="data.extract.path",
            )
        named = {part: name for part, name in self.names.items() if name is not None}
        if self.path is not None and Path(self.path).suffix == ".npz":
            return {"path": source_files.file(self.path, "data.extract.path")}
        if self.path is not None:
            if "inputs" in named:
                raise UserError(
                    "data.extract.path and data.extract.inputs both name a file of features",
                    "leave one out",
                    key="data.extract.path",
                )
            named = {"inputs": self.path} | named
        keys = {part: "path" if name == self.path else part for part, name in named.items()}
        return {part: source_files.file(name, f"data.extract.{keys[part]}") for part, name in named.items()}

    def _archive(self, path: Path) -> dict[str, np.ndarray]:
        archive = _load(path, "data.extract.path")
        if isinstance(archive, np.ndarray):
            raise UserError(
                f"data.extract.path={path} is no archive",
                "name it with the ending .npy",
                key="data.extract.path",
            )
        arrays = {}
        with archive:
            for part, name in self.names.items():
                wanted = name or part
                if wanted in archive.files:
                    arrays[part] = _guarded(
                        lambda wanted=wanted: archive[wanted], path, f"data.extract.{part}"
                    )
                elif name is not None or part == "inputs":
                    raise UnknownName(
                        f"data.extract.{part} names the array {wanted!r}, which {path} does not have",
                        wanted,
                        archive.files,
                        key="data.extract",
                    )
        return arrays

    def _features(self, inputs: np.ndarray) -> np.ndarray:
        """The inputs in the shape that `kind` requires."""
        dimensions, words = _DIMENSIONS[self.roles.kind]
        actual = inputs.shape
        if self.roles.kind == "image" and inputs.ndim == 3:
            inputs = inputs[:, None]
        elif self.roles.kind == "image" and inputs.ndim == 4:
            _doubt_layout(actual, self.layout)
            inputs = inputs.transpose(0, 3, 1, 2) if self.layout == "channels_last" else inputs
        if inputs.ndim != dimensions:
            fitting = [kind for kind, (number, _) in _DIMENSIONS.items() if number == len(actual)]
            remedy = f"set data.extract.kind={fitting[0]}" if fitting else "give them that shape"
            raise UserError(
                f"data.extract.kind={self.roles.kind} needs features of shape {words}, got {actual}",
                remedy,
                key="data.extract.kind",
            )
        if inputs.dtype.kind not in "biuf":
            raise UserError(
                f"features must be numbers, got an array of {inputs.dtype}", "store them as float32"
            )
        return inputs

    def _roles(self, columns: list[str]) -> Roles:
        targets = [column for column in columns if column.startswith("target")]
        roles = self.roles
        return replace(
            roles,
            target=targets if roles.target is None else roles.target,
            group=roles.group or ("group" if "group" in columns else None),
            id=roles.id or ("id" if "id" in columns else None),
        )


def _doubt_layout(shape: tuple[int, ...], layout: str) -> None:
    """Warns if the number of channels suggests the other layout."""
    first, last = shape[1], shape[3]
    here, there = (first, last) if layout == "channels_first" else (last, first)
    if here > _MOST_CHANNELS >= there:
        other = "channels_last" if layout == "channels_first" else "channels_first"
        log.warning(
            "data.extract.layout=%s takes images of shape %s to have %d channels; if they have %d, set "
            "data.extract.layout=%s.",
            layout,
            shape,
            here,
            there,
            other,
        )


def _load(path: Path, key: str) -> Any:
    return _guarded(lambda: np.load(path, mmap_mode="r", allow_pickle=False), path, key)


def _guarded(read: Any, path: Path, key: str) -> Any:
    try:
        return read()
    except (ValueError, OSError, EOFError) as fault:
        if "Object arrays" in str(fault) or "Python objects" in str(fault):
            raise UserError(
                f"{key} is an array of Python objects in {path}, which only unpickling could read",
                "store it with a dtype of numbers or text",
                key=key,
            ) from None
        raise UserError(
            f"{key} cannot be read, because {path} is no whole .npy or .npz file", "save it anew", key=key
        ) from None


def _require_labels(values: np.ndarray, rows: int, part: str) -> None:
    most = 2 if part == "targets" else 1
    if not 1 <= values.ndim <= most or len(values) != rows:
        shape = "(N,) or (N, T)" if part == "targets" else "(N,)"
        raise UserError(
            f"data.extract.{part} must be of shape {shape} with N = {rows} as the features, got "
            f"{values.shape}",
            "store one entry per row",
            key="data.extract",
        )


def _columns(values: np.ndarray, name: str) -> pd.DataFrame:
    """(N,) or (N, T) labels as one column or several, copied from the file."""
    values = np.array(values)
    if values.dtype.kind == "S":
        values = values.astype(str)
    if values.ndim == 1:
        return pd.DataFrame({name: values})
    if values.shape[1] == 1:
        return pd.DataFrame({name: values[:, 0]})
    return pd.DataFrame({f"{name}_{i}": values[:, i] for i in range(values.shape[1])})
