"""HuggingFace: a data set of the `datasets` library, from the hub or from local files."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from harness.core.errors import UnknownName, UserError, sentence
from harness.core.table import Table
from harness.core.user_path import user_path
from harness.data.extract import source_files
from harness.data.extract.file_fingerprint import fingerprint
from harness.data.extract.source import Source

_FORMATS = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet", ".arrow": "arrow"}


class HuggingFace(Source):
    """One split of a data set; needs the extra `harness[huggingface]`.

    Class labels become their names, images as encoded files (bytes). Code in a data set is never run. The
    arguments not named here are those of `Source`.

    Args:
        path: a folder of `save_to_disk`, a folder or file of .csv, .json, .jsonl, .parquet or .arrow,
            or a name on the hub, which is downloaded.
        subset: which of several data sets under that name; None: the only one, or its default.
        split: which part; None: the only one.
        revision: of the hub's repository: a branch, a tag, or a commit; with a commit of 40
            hexadecimal digits the rows never change. None: the newest.
    """

    def __init__(
        self, *, path: str | None, subset: str | None, split: str | None, revision: str | None, **roles: Any
    ) -> None:
        super().__init__(**roles)
        self.path, self.subset, self.split, self.revision = path, subset, split, revision

    def __call__(self) -> Table:
        """Raises UserError: the extra is missing, no such data set or split, or roles that do not fit."""
        path = self._path()
        dataset = self._one(self._load(path, _library()), path)
        name = self.name or Path(path).stem
        return self.roles.assign(_framed(dataset), name, path)

    def fingerprint(self) -> str | None:
        """Of local files, or the commit on the hub; None: the hub may have a newer one."""
        path = self._path()
        local = user_path(path)
        if local.is_file():
            return fingerprint([local])
        if local.is_dir():
            return fingerprint(sorted(entry for entry in local.rglob("*") if entry.is_file()))
        return f"{path}@{self.revision}" if re.fullmatch("[0-9a-f]{40}", self.revision or "") else None

    def _path(self) -> str:
        if self.path is None:
            raise UserError(
                "data.extract.path needs a data set",
                "give data.extract.path=FOLDER, or its name on the hub",
                key="data.extract.path",
            )
        return self.path

    def _load(self, path: str, datasets: ModuleType) -> Any:
        local = user_path(path)
        if not local.exists() and (path[:1] in "./~" or local.suffix in _FORMATS):
            source_files.file(path, "data.extract.path")
        if local.is_file() and local.suffix not in _FORMATS:
            raise UserError(
                f"data.extract.path={path} must end in {' or '.join(_FORMATS)}",
                "choose data/extract by its format",
                key="data.extract.path",
            )
        datasets.disable_progress_bars()
        try:
            if (local / "state.json").is_file() or (local / "dataset_dict.json").is_file():
                return datasets.load_from_disk(str(local))
            if local.is_file():
                return datasets.load_dataset(_FORMATS[local.suffix], data_files=str(local))
            where = str(local) if local.is_dir() else path
            return datasets.load_dataset(where, self.subset, revision=self.revision)
        except Exception as fault:  # errors of files, of the network, and of the hub
            raise UserError(
                f"data.extract.path={path} cannot be loaded by the datasets library: "
                f"{sentence(str(fault).strip() or type(fault).__name__).rstrip('.')}",
                "check the name, data.extract.subset and data.extract.revision",
                key="data.extract.path",
            ) from fault

    def _one(self, loaded: Any, path: str) -> Any:
        """The requested split."""
        if not isinstance(loaded, dict):
            if self.split is not None:
                raise UserError(
                    f"data.extract.split={self.split} chooses among splits, and {path} has one without a "
                    "name",
                    "leave it out with data.extract.split=null",
                    key="data.extract.split",
                )
            return loaded
        if self.split is None and len(loaded) == 1:
            return next(iter(loaded.values()))
        if self.split not in loaded:
            got = "null" if self.split is None else self.split
            raise UnknownName(
                f"data.extract.split must name a split of {path}, got {got}",
                got,
                map(str, loaded),
                key="data.extract.split",
            )
        return loaded[self.split]


def _library() -> ModuleType:
    try:
        import datasets
    except ImportError:
        raise UserError(
            "data/extract=huggingface needs the datasets library",
            "install it with pip install 'harness[huggingface]'",
        ) from None
    library: ModuleType = datasets
    return library


def _framed(dataset: Any) -> pd.DataFrame:
    """The columns of a data set: labels by name, images as bytes."""
    import datasets

    images = [name for name, kind in dataset.features.items() if isinstance(kind, datasets.Image)]
    for name in images:
        dataset = dataset.cast_column(name, datasets.Image(decode=False))
    frame: pd.DataFrame = dataset.with_format(None).to_pandas()
    for name in images:
        frame[name] = pd.Series([_encoded(cell) for cell in frame[name]], dtype=object)
    for name, kind in dataset.features.items():
        if isinstance(kind, datasets.ClassLabel):
            names = dict(enumerate(kind.names))
            frame[name] = frame[name].map(names)  # -1 is an unlabelled row, and becomes missing
    return frame


def _encoded(cell: dict[str, Any] | None) -> bytes | None:
    """The encoded file of an image, which the library keeps as bytes or as a path."""
    if cell is None:
        return None
    kept: bytes | None = cell["bytes"]
    return Path(cell["path"]).read_bytes() if kept is None else kept
