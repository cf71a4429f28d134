"""Csv: a table in one or more text files."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.core.errors import UnknownName, UserError
from harness.core.table import Table
from harness.data.extract import source_files
from harness.data.extract.cell_types import CellTypes
from harness.data.extract.column_types import Type
from harness.data.extract.csv_files import CsvFiles
from harness.data.extract.file_fingerprint import fingerprint
from harness.data.extract.source import Source
from harness.data.extract.text_file_format import TextFormat
from harness.data.extract.text_lines import COMPRESSIONS, Dialect

_KEY = "data.extract.path"

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


class Csv(Source):
    """Files of separated values, the first line of each the column names.

    A column of numbers becomes numeric, other columns text; a column of numbers with some texts is refused.
    Group and id columns stay the text they are (`007` stays `007`) unless they are whole
    numbers. The arguments not named here are those of `Source`. An argument with a default has no effect
    where a configuration of an earlier version does not name it.

    Args:
        path: the file, a list of files, or a pattern (`visits-*.csv`, `**/*.csv`); relative to the
            current folder; read in the order of their names, all with the same columns. Those that
            end in .gz, .bz2, .xz, .zip or .zst are unpacked while they are read.
        separator: the text between two cells: one character, or a regular expression.
        decimal: the decimal mark.
        encoding: the character encoding, by its name in Python.
        missing: cell texts that count as missing, besides `usual_missing`.
        types: declared types of columns; other types follow from the values.
        dates: the columns of dates.
        date_format: of `dates`, as of `strptime`; None: ISO 8601.
        source_column: a column to add, with the name of each row's file; None: none.
        header: whether the first line has the column names.
        names: the column names; None: those of the first line, or `column_1`, … without any.
        skip_rows: how many lines at the beginning are left out.
        comment: the text with which a line begins that is left out; None: no line is.
        usual_missing: cell texts that count as missing, the empty one included.
        thousands: the mark between groups of three digits; None: none.
        strip: texts before or behind numbers, such as `$` and `kg`.
        texts: the columns that stay text, whatever their cells look like.
        trim: whether blanks around column names and cells are left out.
        recognise: whether columns of ISO 8601 dates become dates, and numbers and dates that are written
            in another way are refused with the setting that reads them.
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
        header: bool = True,
        names: list[str] | None = None,
        skip_rows: int = 0,
        comment: str | None = None,
        usual_missing: list[str] | None = None,
        thousands: str | None = None,
        strip: list[str] | None = None,
        texts: list[str] | None = None,
        trim: bool = False,
        recognise: bool = False,
        **roles: Any,
    ) -> None:
        super().__init__(**roles)
        _check_dialect(separator, encoding, skip_rows, comment)
        if len(decimal) != 1:  # it may be the separator: cells with it are in quotes then
            raise ValueError(f"decimal must be one character, got {decimal!r}")
        if thousands is not None and (len(thousands) != 1 or thousands == decimal):
            raise ValueError(
                f"thousands must be one character other than the decimal mark, got {thousands!r}"
            )
        self.types = _declared(types, dates, texts or [])
        self.path, self.source_column = path, source_column
        given = {
            "separator": separator,
            "encoding": encoding,
            "header": header,
            "names": names,
            "skip_rows": skip_rows,
            "comment": comment,
            "trim": trim,
            "missing": missing,
            "usual_missing": usual_missing or [],
            "decimal": decimal,
            "thousands": thousands,
            "strip": strip or [],
            "date_format": date_format,
            "recognise": recognise,
        }
        self.format = TextFormat.of(given)

    def __call__(self) -> Table:
        """Raises UserError: no such file, no table in it, or roles that its columns do not fit."""
        paths = self._paths()
        files = CsvFiles(paths, self.format, self.source_column)
        frame, places = files.read(self._text(files))
        frame = CellTypes(self.format, self.types, self.roles).typed(frame, places)
        hint = _header_hint(self.format.dialect, map(str, frame.columns))
        return self.roles.assign(frame, self.name or _title(paths), _shown(self.path), hint=hint)

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

    def _text(self, files: CsvFiles) -> set[str]:
        """The columns to read as text; checks the column names of every file first."""
        first, path = files.columns(), files.paths[0]
        for column in self.types:
            if column not in first:
                key = {"date": "dates", "text": "texts"}.get(self.types[column], "types")
                raise UnknownName(
                    f"data.extract.{key} names the column {column!r}, which {path} does not have",
                    column,
                    first,
                    hint=_header_hint(self.format.dialect, first),
                    key="data.extract",
                )
        if self.source_column in first:
            raise UserError(
                f"data.extract.source_column={self.source_column} is a column of {path} already",
                "choose another name",
                key="data.extract.source_column",
            )
        plain = {column for column, kind in self.types.items() if kind not in ("int", "float")}
        return plain | {name for name in first if name in (self.roles.group, self.roles.id)}


def _check_dialect(separator: str, encoding: str, skip_rows: int, comment: str | None) -> None:
    """Raises ValueError: one has no meaning."""
    if not separator:
        raise ValueError("separator must be one character or more, got ''")
    if skip_rows < 0:
        raise ValueError(f"skip_rows must be 0 or more, got {skip_rows}")
    if comment == "":
        raise ValueError("comment must be one character or more, or null, got ''")
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ValueError(
            f"encoding must be one that Python knows, such as utf-8 or latin-1, got {encoding!r}"
        ) from None


def _declared(types: dict[str, Type], dates: list[str], texts: list[str]) -> dict[str, Type]:
    """The types of the columns that have one. Raises ValueError: a column has two."""
    kinds: dict[str, Type] = dict(types)
    declared: list[tuple[str, list[str], Type]] = [("dates", dates, "date"), ("texts", texts, "text")]
    for key, columns, kind in declared:
        twice = [column for column in columns if kinds.get(column, kind) != kind]
        if twice:
            others = "types" if twice[0] in types else "dates"
            raise ValueError(
                f"{key} must not name a column to which {others} gives another, got {twice[0]!r}"
            )
        kinds |= dict.fromkeys(columns, kind)
    return kinds


def _header_hint(dialect: Dialect, columns: Iterable[str]) -> str:
    """A sentence where one of the column names is a number: the first line is then perhaps a row."""
    if dialect.header and dialect.names is None and any(map(_NUMBER.fullmatch, columns)):
        return "If the first line of the file is a row, set data.extract.header=false."
    return ""


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
