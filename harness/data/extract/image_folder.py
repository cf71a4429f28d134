"""ImageFolder: image files in a folder per class, or listed in a table."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from harness.core.errors import UnknownName, UserError
from harness.core.part_words import named_parts
from harness.core.table import Table
from harness.core.user_path import user_path
from harness.data.extract import source_files
from harness.data.extract.column_types import number_or_text
from harness.data.extract.file_fingerprint import fingerprint
from harness.data.extract.source import Source
from harness.data.extract.text_lines import Dialect, malformed, require_equal_lengths
from harness.runtime.inner_path import check_listed

log = logging.getLogger("harness")


class ImageFolder(Source):
    """Images as the paths of their files: one feature, `path`, relative to where the root is named.

    Without a table, the folder directly below the root in which a file lies, at any depth, is its
    `class`; or the folder below that, where the first ones are `train`, `valid` and `test`. With a table,
    its rows are the images and its other columns may have roles. Every image is decoded once, before
    anything is trained on it; a JPEG at an eighth of its size, which reads the whole file and is quick. The
    arguments not named here are those of `Source`.

    Args:
        path: the root.
        table: a .csv file with one row per image; None: a folder per class.
        path_column: the table's column of paths, relative to the root.
        suffixes: the endings of the files to take, in lower case; other files are ignored.
        unreadable: whether a file that cannot be decoded is an "error", or its row is removed ("skip") and
            logged.
        group_pattern: a regular expression, searched for in each path below the root; its first group is
            the column `group`, which has the role where no other column has. None: no such column.
        part_folders: whether folders below the root that are all named train, valid, test or the like are
            the parts of the data, in the column `part`, and the folders below them the classes.
    """

    def __init__(
        self,
        *,
        path: str | None,
        table: str | None,
        path_column: str,
        suffixes: list[str],
        unreadable: Literal["error", "skip"],
        group_pattern: str | None,
        part_folders: bool = False,
        **roles: Any,
    ) -> None:
        super().__init__(**roles)
        if not suffixes or not all(suffix.startswith(".") for suffix in suffixes):
            raise ValueError(f"suffixes must each begin with a full stop, as .jpg does, got {suffixes}")
        self.pattern = None if group_pattern is None else _compiled(group_pattern)
        self.path, self.table, self.path_column = path, table, path_column
        self.suffixes, self.unreadable = tuple(suffix.lower() for suffix in suffixes), unreadable
        self.part_folders = part_folders

    def __call__(self) -> Table:
        """Raises UserError: no such folder or file, no image, or one that cannot be decoded."""
        root = self._root()
        frame = self._listed(root) if self.table is not None else self._found(root)
        if self.pattern is not None:
            if "group" in frame:
                raise UserError(
                    f"data.extract.group_pattern makes a column 'group', which {self.table} has already",
                    "leave one out",
                    key="data.extract.group_pattern",
                )
            frame["group"] = _groups(frame[self.path_column].tolist(), self.pattern)
        frame[self.path_column] = [str(root / name) for name in frame[self.path_column]]
        frame, contents = self._decodable(frame)
        roles = replace(
            self.roles,
            features=self.roles.features or [self.path_column],
            group=self.roles.group or (None if self.pattern is None else "group"),
        )
        table = roles.assign(frame, self.name or root.resolve().name, str(self.path))
        return table.with_contents(contents)

    def fingerprint(self) -> str:
        """Of the images and the table, see `harness.data.extract.file_fingerprint.fingerprint`."""
        root = self._root()
        if self.table is None:
            return fingerprint(root / name for name in self._names(root))
        listed = self._listed(root)[self.path_column]
        return fingerprint([user_path(self.table), *(root / name for name in listed)])

    def _root(self) -> Path:
        if self.path is None:
            raise UserError(
                "data.extract.path needs the folder of the images",
                "give data.extract.path=FOLDER",
                key="data.extract.path",
            )
        return source_files.folder(self.path, "data.extract.path")

    def _names(self, root: Path) -> list[str]:
        """The files below the root, relative to it, sorted; hidden ones are left out."""
        paths = []
        for folder, inner, names in os.walk(root, followlinks=True):
            inner[:] = [name for name in inner if not name.startswith(".")]
            taken = [name for name in names if name.lower().endswith(self.suffixes) and name[0] != "."]
            paths += [os.path.relpath(Path(folder, name), root) for name in taken]
        check_listed(root, paths)  # links are followed
        return sorted(paths)

    def _found(self, root: Path) -> pd.DataFrame:
        names = self._names(root)
        if not names:
            raise UserError(
                f"data.extract.path={root} holds no file that ends in {' or '.join(self.suffixes)}",
                "name another folder, or set data.extract.suffixes",
                key="data.extract.path",
            )
        parts = self._parts(names)
        classes = [_folder(name, 1 if parts else 0) for name in names]
        if "class" in self.roles.targets and None in classes:
            raise UserError(
                f"the class of an image is its folder, and {root / names[classes.index(None)]} lies in "
                f"none below {root}",
                "move it, or name the folder above with data.extract.path",
            )
        frame = pd.DataFrame({self.path_column: names, "class": pd.Series(classes, dtype="str")})
        return frame.assign(part=parts) if parts else frame

    def _parts(self, names: list[str]) -> list[str]:
        """The part that each image's folder names; empty if the folders below the root do not name parts."""
        folders = [_folder(name, 0) for name in names]
        if not self.part_folders or None in folders:
            return []
        known = named_parts(map(str, folders))
        return [known[str(folder)] for folder in folders] if known else []

    def _listed(self, root: Path) -> pd.DataFrame:
        path = source_files.file(str(self.table), "data.extract.table")
        names = {self.roles.group, self.roles.id} - {None}
        frame = _table(path, [self.path_column, *map(str, names)])
        for column in names & {*frame.columns}:
            frame[column] = number_or_text(frame[column])
        if self.path_column not in frame:
            raise UnknownName(
                f"data.extract.path_column names the column {self.path_column!r}, which {path} does not have",
                self.path_column,
                map(str, frame.columns),
                key="data.extract.path_column",
            )
        check_listed(root, frame[self.path_column].dropna())
        absent = [name for name in frame[self.path_column] if pd.isna(name) or not (root / name).is_file()]
        if absent:
            raise UserError(
                f"{path} names the image {absent[0]!r}, which is not in {root} ({len(absent)} of "
                f"{len(frame)} are not)",
                "correct the table, or data.extract.path",
            )
        return frame

    def _decodable(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
        """The rows whose image can be decoded, and a digest of what is in their files."""
        paths = frame[self.path_column].tolist()
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            digests, faults = zip(*threads.map(_looked_at, paths), strict=True)
        bad = np.array([fault is not None for fault in faults])
        contents = hashlib.sha256(b"".join(digests)).hexdigest()
        if not bad.any():
            return frame, contents
        first = int(bad.argmax())
        words = f"{paths[first]} ({faults[first]})"
        if self.unreadable == "error":
            raise UserError(
                f"every image must be readable, and {bad.sum()} of {len(bad)} cannot be decoded, first "
                f"{words}",
                "correct or remove the file, or leave it out with data.extract.unreadable=skip",
            )
        log.warning("%d of %d images cannot be read and are left out, first %s.", bad.sum(), len(bad), words)
        return frame[~bad], contents


def _folder(name: str, depth: int) -> str | None:
    """The folder at a depth below the root in which a file lies; None if it lies in none."""
    folders = Path(name).parts[:-1]
    return folders[depth] if len(folders) > depth else None


def _table(path: Path, text: list[str]) -> pd.DataFrame:
    dialect = Dialect(",", "utf-8")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # cells without a column name are cut off
            frame = pd.read_csv(path, index_col=False, dtype=dict.fromkeys(text, str))
        require_equal_lengths(path, dialect, frame)
    except (ValueError, pd.errors.ParserWarning) as fault:
        reason = " ".join(str(fault).split()).rstrip(".").replace(". ", ", ")
        raise malformed(path, dialect) or UserError(
            f"data.extract.table={path} cannot be read as comma-separated text in UTF-8: {reason}",
            "save it as such",
            key="data.extract.table",
        ) from None
    return frame


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as fault:
        raise ValueError(f"group_pattern must be a regular expression, got {pattern!r}: {fault}") from None
    if compiled.groups < 1:
        raise ValueError(f"group_pattern must have a group in parentheses, got {pattern!r}")
    return compiled


def _groups(names: list[str], pattern: re.Pattern[str]) -> list[str | None]:
    groups = [match[1] if (match := pattern.search(name)) else None for name in names]
    if None in groups:
        raise UserError(
            f"data.extract.group_pattern={pattern.pattern} is not in {names[groups.index(None)]!r}",
            "write one that is in every path",
            key="data.extract.group_pattern",
        )
    return groups


def _looked_at(path: str) -> tuple[bytes, str | None]:
    """A digest of the file's content, and why it cannot be decoded as an image, or None."""
    from PIL import Image

    content = b""
    try:
        content = Path(path).read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            image.draft(image.mode, (max(1, image.width // 8), max(1, image.height // 8)))
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
        reason = "no image" if "cannot identify" in str(fault) else str(fault)
        return hashlib.sha256(content).digest(), " ".join(reason.split()) or type(fault).__name__
    return hashlib.sha256(content).digest(), None
