"""Reads text files of separated values with pandas, and describes what cannot be read."""

from __future__ import annotations

import io
import lzma
import os
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pandas as pd

from harness.core.errors import UserError, sentence
from harness.data.extract.text_file_format import TextFormat
from harness.data.extract.text_lines import (
    Places,
    malformed,
    records,
    require_equal_lengths,
    table_text,
    unfinished,
)

_FAULTS = (OSError, EOFError, ValueError, ImportError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""Exceptions of reading, unpacking and decoding a file; those of pandas are ValueErrors."""

_SEPARATORS = {",": ",", ";": ";", "\t": "\\t", "|": "|"}
"""The usual separators, and what is typed for them."""


class CsvFiles:
    """The files of one table.

    Args:
        paths: one or more.
        form: how they are written.
        source_column: a column to add, with the name of each row's file; None: none.
    """

    def __init__(self, paths: list[Path], form: TextFormat, source_column: str | None) -> None:
        self.paths, self._source_column = paths, source_column
        self._format, self._dialect = form, form.dialect

    def columns(self) -> list[str]:
        """The names of the columns, which all files must have.

        Raises:
            UserError: a file has other columns, two of the same name, or cannot be read.
        """
        first = self._names(self.paths[0])
        for path in self.paths[1:]:
            names = self._names(path)
            odd = [name for name in (*first, *names) if (name in first) != (name in names)]
            if odd:
                without, other = (path, self.paths[0]) if odd[0] in first else (self.paths[0], path)
                raise UserError(
                    f"the files of data.extract.path must have the same columns, and {without} lacks "
                    f"{odd[0]!r}, which {other} has",
                    "correct it, or leave it out of data.extract.path",
                    key="data.extract.path",
                )
        return first

    def read(self, text: set[str]) -> tuple[pd.DataFrame, Places]:
        """All rows in one frame; columns in `text` and columns of mixed values are read as text.

        Raises:
            UserError: a file cannot be read.
        """
        frames = [self._guarded(path, text, self._names(path)) for path in self.paths]
        if self._source_column is not None:
            folder = os.path.commonpath([path.parent for path in self.paths])
            for path, frame in zip(self.paths, frames, strict=True):
                frame[self._source_column] = os.path.relpath(path, folder)
        places = Places(self.paths, [len(frame) for frame in frames], self._dialect)
        frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
        others = (column for column in frame.columns if column not in text)
        mixed = {column for column in others if _holds_text_among_others(frame[column])}
        # pandas infers types block by block: the number 1 of one block can be the text "1" in another.
        return self.read(text | mixed) if mixed else (frame, places)

    def _guarded(self, path: Path, text: set[str], names: list[str] | None) -> pd.DataFrame:
        try:
            frame = self._parse(path, text, names)
            require_equal_lengths(path, self._dialect, frame)
        except pd.errors.EmptyDataError:
            raise UserError(
                f"data.extract.path={path} is empty",
                "name a file with a line of column names",
                key="data.extract.path",
            ) from None
        except UnicodeDecodeError:
            encoding = self._dialect.encoding.upper()
            raise UserError(
                f"data.extract.path={path} is not text in {encoding}",
                f"save it as comma-separated {encoding} text, or set data.extract.encoding",
                key="data.extract.path",
            ) from None
        except (pd.errors.ParserWarning, pd.errors.ParserError) as fault:
            if "EOF inside string" in str(fault):
                raise unfinished(path, self._dialect) from None
            raise malformed(path, self._dialect) or self._unreadable(path, fault) from None
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

    def _parse(self, path: Path, text: set[str], names: list[str] | None) -> pd.DataFrame:
        with warnings.catch_warnings():
            # pandas warns where it cuts off cells that have no column name.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)  # `read` looks for itself
            frame: pd.DataFrame = pd.read_csv(
                self._source(path),
                index_col=False,
                header=0 if self._dialect.header else None,
                names=names,
                dtype=dict.fromkeys(text, str),
                keep_default_na=False,
                na_values=list(self._format.missing),
                decimal=self._format.numbers.decimal,
                **self._written(),
            )
        return frame

    def _source(self, path: Path) -> Path | io.StringIO:
        return path if self._dialect.whole else table_text(path, self._dialect)

    def _written(self) -> dict[str, Any]:
        engine: Any = "c" if self._dialect.plain else "python"
        return {
            "sep": self._dialect.separator,
            "encoding": self._dialect.encoding,
            "engine": engine,
            "skipinitialspace": self._dialect.skips_blanks,
        }

    def _names(self, path: Path) -> list[str]:
        """The column names; pandas would rename a duplicate, and a second target would become a feature."""
        try:
            cells = pd.read_csv(
                self._source(path), header=None, nrows=1, dtype=str, keep_default_na=False, **self._written()
            )
        except _FAULTS:
            return list(self._guarded(path, set(), None).columns)  # this reports the error
        first = [str(cell) for cell in cells.iloc[0]]
        if self._format.recognise:
            self._require_separator(path, first)
        names = self._dialect.columns(first)
        if len(names) != len(first):
            raise UserError(
                f"data.extract.names must have a name for each column, and it has {len(names)}, and "
                f"{path} has {len(first)} columns",
                "correct data.extract.names or data.extract.separator",
                key="data.extract.names",
            )
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise UserError(
                f"data.extract.path={path} has two columns named {twice[0]!r}",
                "rename one in the file",
                key="data.extract.path",
            )
        return names

    def _require_separator(self, path: Path, first: list[str]) -> None:
        """Raises UserError: the first line has another usual separator at least as often as columns."""
        for other, written in _SEPARATORS.items():
            if other == self._dialect.separator or not self._dialect.plain:
                continue
            if sum(cell.count(other) for cell in first) >= len(first):
                line = next(records(path, self._dialect))[0]
                columns = f"{len(first)} column{'s' * (len(first) > 1)}"
                raise UserError(
                    f"line {line} of {path} is {columns} with the separator {self._dialect.separator!r}, and "
                    f"more with {other!r}",
                    f"read it with data.extract.separator='{written}'",
                    key="data.extract.separator",
                )


def _holds_text_among_others(column: pd.Series) -> bool:
    if column.dtype != object:
        return False
    return pd.api.types.infer_dtype(column, skipna=True) not in ("string", "boolean", "empty")
