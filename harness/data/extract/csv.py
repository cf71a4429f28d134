"""Csv: a table in one or more text files."""

from __future__ import annotations

import codecs
import lzma
import os
import re
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pandas as pd

from harness.core.errors import UnknownName, UserError, sentence
from harness.core.table import Table
from harness.data.extract import source_files
from harness.data.extract.column_types import WORDS, Type, converted, number_or_text, odd_row
from harness.data.extract.file_fingerprint import fingerprint
from harness.data.extract.source import Source
from harness.data.extract.text_lines import (
    COMPRESSIONS,
    Dialect,
    Places,
    malformed,
    require_equal_lengths,
    unfinished,
)

_KEY = "data.extract.path"

_FAULTS = (OSError, EOFError, ValueError, ImportError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""Exceptions of reading, unpacking and decoding a file; those of pandas are ValueErrors."""


class Csv(Source):
    """Files of separated values, the first line of each the column names.

    A column of numbers becomes numeric, other columns text; a column of numbers with some texts is refused.
    Group and id columns stay the text they are (`007` stays `007`) unless they are whole
    numbers. The arguments not named here are those of `Source`.

    Args:
        path: the file, a list of files, or a pattern (`visits-*.csv`, `**/*.csv`); relative to the
            current folder; read in the order of their names, all with the same columns. Those that
            end in .gz, .bz2, .xz, .zip or .zst are unpacked while they are read.
        separator: the text between two cells: one character, or a regular expression.
        decimal: the decimal mark.
        encoding: the character encoding, by its name in Python.
        missing: the cell texts that count as missing, the empty one included.
        types: declared types of columns; other types follow from the values.
        dates: the columns of dates.
        date_format: of the dates, as of `strptime`; None: ISO 8601.
        source_column: a column to add, with the name of each row's file; None: none.
    """

    def __init__(
        self,
        *,
        path: str | list[str] | None,
        separator: str,
        decimal: str,
        encoding: str,
        missing: list[str],
        types: dict[str, Type],
        dates: list[str],
        date_format: str | None,
        source_column: str | None,
        **roles: Any,
    ) -> None:
        super().__init__(**roles)
        if not separator:
            raise ValueError("separator must be one character or more, got ''")
        if len(decimal) != 1 or decimal == separator:
            raise ValueError(f"decimal must be one character other than the separator, got {decimal!r}")
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise ValueError(
                f"encoding must be one that Python knows, such as utf-8 or latin-1, got {encoding!r}"
            ) from None
        twice = [column for column in dates if types.get(column, "date") != "date"]
        if twice:
            raise ValueError(f"dates must not name a column to which types gives another, got {twice[0]!r}")
        self.path, self.missing, self.decimal = path, missing, decimal
        self.dialect = Dialect(separator, encoding)
        self.types: dict[str, Type] = types | dict.fromkeys(dates, "date")
        self.date_format, self.source_column = date_format, source_column

    def __call__(self) -> Table:
        """Raises UserError: no such file, no table in it, or roles that its columns do not fit."""
        paths = self._paths()
        frame = self._typed(*self._read(paths, self._text(paths)))
        return self.roles.assign(frame, self.name or _title(paths), _shown(self.path))

    def fingerprint(self) -> str:
        """Of the files, see `harness.data.extract.file_fingerprint.fingerprint`."""
        return fingerprint(self._paths())

    def _paths(self) -> list[Path]:
        if self.path is None:
            raise UserError(
                "data.extract.path needs the file to read",
                "give data.extract.path=FILE.csv",
                key="data.extract.path",
            )
        return source_files.matching(self.path, _KEY)

    def _text(self, paths: list[Path]) -> set[str]:
        """The columns to read as text; checks the column names of every file first."""
        first = self._names(paths[0])
        for path in paths[1:]:
            names = self._names(path)
            odd = [name for name in (*first, *names) if (name in first) != (name in names)]
            if odd:
                without, other = (path, paths[0]) if odd[0] in first else (paths[0], path)
                raise UserError(
                    f"the files of data.extract.path must have the same columns, and {without} lacks "
                    f"{odd[0]!r}, which {other} has",
                    "correct it, or leave it out of data.extract.path",
                    key="data.extract.path",
                )
        for column in self.types:
            if column not in first:
                key = "dates" if self.types[column] == "date" else "types"
                raise UnknownName(
                    f"data.extract.{key} names the column {column!r}, which {paths[0]} does not have",
                    column,
                    first,
                    key="data.extract",
                )
        if self.source_column in first:
            raise UserError(
                f"data.extract.source_column={self.source_column} is a column of {paths[0]} already",
                "choose another name",
                key="data.extract.source_column",
            )
        plain = {column for column, kind in self.types.items() if kind not in ("int", "float")}
        return plain | {name for name in first if name in (self.roles.group, self.roles.id)}

    def _read(self, paths: list[Path], text: set[str]) -> tuple[pd.DataFrame, Places]:
        """All rows in one frame; columns in `text` and columns of mixed values are read as text."""
        frames = [self._guarded(path, text) for path in paths]
        if self.source_column is not None:
            folder = os.path.commonpath([path.parent for path in paths])
            for path, frame in zip(paths, frames, strict=True):
                frame[self.source_column] = os.path.relpath(path, folder)
        places = Places(paths, [len(frame) for frame in frames], self.dialect)
        frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
        untold = (column for column in frame.columns if column not in text)
        mixed = {column for column in untold if _holds_text_among_others(frame[column])}
        # pandas infers types block by block: the number 1 of one block can be the text "1" in another.
        return self._read(paths, text | mixed) if mixed else (frame, places)

    def _guarded(self, path: Path, text: set[str]) -> pd.DataFrame:
        try:
            frame = self._parse(path, text)
            require_equal_lengths(path, self.dialect, frame)
        except pd.errors.EmptyDataError:
            raise UserError(
                f"data.extract.path={path} is empty",
                "name a file with a line of column names",
                key="data.extract.path",
            ) from None
        except UnicodeDecodeError:
            encoding = self.dialect.encoding.upper()
            raise UserError(
                f"data.extract.path={path} is not text in {encoding}",
                f"save it as comma-separated {encoding} text, or set data.extract.encoding",
                key="data.extract.path",
            ) from None
        except (pd.errors.ParserWarning, pd.errors.ParserError) as fault:
            if "EOF inside string" in str(fault):
                raise unfinished(path, self.dialect) from None
            raise malformed(path, self.dialect) or self._unreadable(path, fault) from None
        except ImportError as fault:  # a compression that pandas needs a package for
            raise UserError(
                f"data.extract.path={path} cannot be unpacked: {sentence(str(fault))}",
                key="data.extract.path",
            ) from None
        except _FAULTS as fault:
            raise self._unreadable(path, fault) from None
        return frame

    def _unreadable(self, path: Path, fault: Exception) -> UserError:
        reason = " ".join(str(fault).rpartition("C error: ")[2].split()).rstrip(".").replace(". ", ", ")
        return UserError(
            f"data.extract.path={path} cannot be read as a table: {reason}",
            "correct the file, or set data.extract.separator",
            key="data.extract.path",
        )

    def _parse(self, path: Path, text: set[str]) -> pd.DataFrame:
        with warnings.catch_warnings():
            # pandas warns where it cuts off cells that have no column name.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)  # `_read` looks for itself
            frame: pd.DataFrame = pd.read_csv(
                path,
                index_col=False,
                dtype=dict.fromkeys(text, str),
                keep_default_na=False,
                na_values=self.missing,
                decimal=self.decimal,
                **self._written(),
            )
        return frame

    def _written(self) -> dict[str, Any]:
        engine: Any = "c" if self.dialect.plain else "python"
        return {"sep": self.dialect.separator, "encoding": self.dialect.encoding, "engine": engine}

    def _names(self, path: Path) -> list[str]:
        """The column names; pandas would rename a duplicate, and a second target would become a feature."""
        try:
            first = pd.read_csv(
                path, header=None, nrows=1, dtype=str, keep_default_na=False, **self._written()
            ).iloc[0]
        except _FAULTS:
            return list(self._guarded(path, set()).columns)  # this reports the error
        twice = first[first.duplicated() & (first != "")]
        if len(twice):
            raise UserError(
                f"data.extract.path={path} has two columns named {twice.iloc[0]!r}",
                "rename one in the file",
                key="data.extract.path",
            )
        return [name or f"Unnamed: {i}" for i, name in enumerate(first)]

    def _typed(self, frame: pd.DataFrame, places: Places) -> pd.DataFrame:
        for column in frame.columns:
            kind = self.types.get(column)
            text = pd.api.types.is_string_dtype(frame[column].dtype) and not frame[column].isna().all()
            if kind is not None:
                frame[column] = self._convert(frame[column], kind, places)
            elif text and column in (self.roles.group, self.roles.id):
                frame[column] = number_or_text(frame[column])
            elif text and column not in self.roles.drop:
                self._require_one_type(frame[column], places)
        return frame

    def _convert(self, column: pd.Series, kind: Type, places: Places) -> pd.Series:
        found, row = converted(column, kind, self.decimal, self.date_format)
        if row < 0:
            return found
        key = "date_format" if kind == "date" else "types"
        form = f" written {self.date_format or 'as in ISO 8601'}" if kind == "date" else ""
        raise UserError(
            f"column {str(column.name)!r} must hold {WORDS[kind]}{form}, and {places.of(row)} holds "
            f"{str(column.iloc[row])!r}",
            f"correct it, count it as missing with data.extract.missing, or change data.extract.{key}",
        )

    def _require_one_type(self, column: pd.Series, places: Places) -> None:
        row = odd_row(column, self.decimal)
        if row >= 0:
            raise UserError(
                f"column {str(column.name)!r} holds numbers, and {places.of(row)} the text "
                f"{column.iloc[row]!r}",
                "correct it, count it as missing with data.extract.missing, or keep all "
                f"as text with +data.extract.types.{column.name}=text",
            )


def _holds_text_among_others(column: pd.Series) -> bool:
    if column.dtype != object:
        return False
    return pd.api.types.infer_dtype(column, skipna=True) not in ("string", "boolean", "empty")


def _title(paths: list[Path]) -> str:
    """The file's name without endings; for several files, the common beginning of their names."""
    stems = [Path(path.stem).stem if path.suffix in COMPRESSIONS else path.stem for path in paths]
    shared = stems[0]
    while not all(stem.startswith(shared) for stem in stems):
        shared = shared[:-1]
    if len(paths) > 1:
        shared = re.sub(r"[\W_\d]+$", "", shared)
    return shared or paths[0].resolve().parent.name


def _shown(path: str | list[str] | None) -> str:
    return ", ".join(path) if isinstance(path, list) else str(path)
