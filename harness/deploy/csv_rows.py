"""Reads raw rows from a CSV file."""

from __future__ import annotations

import csv
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from harness.bundle.bundle import Bundle
from harness.bundle.row_predictor import refuse
from harness.core.errors import UserError
from harness.data.extract.column_types import converted, dates, number_or_text
from harness.data.extract.text_lines import Dialect, records
from harness.deploy.row_chunk import Piece

_MISSING = ["", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null"]

_FAULTS = (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


class Separated:
    """A text file of separated values with the column names in the first line; .gz and similar are unpacked.

    Separator, decimal mark, encoding, missing values and date format are those of the training file, else
    commas, points and UTF-8. Each column is read with the type that it had in training, independent of the
    other rows of a chunk. The original text is written again unchanged.

    Raises:
        UserError: the file is empty or not readable as CSV, or two columns have the same name.
    """

    def __init__(self, path: Path, bundle: Bundle) -> None:
        extract = bundle.config.get("data", {}).get("extract", {})
        settings: dict[str, Any] = extract if "separator" in extract else {}
        separator = "\t" if path.name.lower().endswith((".tsv", ".tsv.gz")) else ","
        self._path, self._bundle = path, bundle
        self._dialect = Dialect(settings.get("separator", separator), settings.get("encoding", "utf-8"))
        self._decimal, self._missing = settings.get("decimal", "."), settings.get("missing", _MISSING)
        self._date_format, self._types = settings.get("date_format"), settings.get("types") or {}
        self.columns = next(self._blocks(1), (0, [[]]))[1][0]
        if not self.columns:
            raise UserError(f"IN={path} is empty", "name a file with a line of column names and some rows")
        self.columns = [name or f"Unnamed: {i}" for i, name in enumerate(self.columns)]
        twice = [name for name in self.columns if self.columns.count(name) > 1]
        if twice:
            raise UserError(f"IN={path} has two columns named {twice[0]!r}", "rename one in the file")

    def pieces(self, size: int | None) -> Iterator[Piece]:
        first = 0
        blocks = self._blocks(size, skip=1)
        for line, block in blocks:
            self._require_equal_lengths(line, block)
            cells = dict(zip(self.columns, map(list, zip(*block, strict=True)), strict=True))
            wanted = {name: cells[name] for name in self._bundle.columns if name in cells}
            rows = self._typed(wanted, pd.RangeIndex(first, first + len(block)))
            first += len(block)
            yield Piece(rows, pa.table({name: pa.array(text, pa.string()) for name, text in cells.items()}))

    def _blocks(self, size: int | None, skip: int = 0) -> Iterator[tuple[list[int], list[list[str]]]]:
        """The line numbers and the cells of the records, `size` records at a time."""
        remaining = islice(records(self._path, self._dialect), skip, None)
        while True:
            try:
                block = list(islice(remaining, size))
            except _FAULTS as fault:
                reason = " ".join(str(fault).split()).rstrip(".").replace(". ", ", ")
                raise UserError(
                    f"IN={self._path} cannot be read as {self._dialect.encoding.upper()} text: {reason}",
                    "correct the file, or save it as such",
                ) from None
            if not block:
                return
            lines, cells = zip(*block, strict=True)
            yield list(lines), list(cells)

    def _require_equal_lengths(self, lines: list[int], block: list[list[str]]) -> None:
        for line, cells in zip(lines, block, strict=True):
            if len(cells) != len(self.columns):
                raise UserError(
                    f"line {line} of {self._path} has {len(cells)} cell{'s' * (len(cells) != 1)}, and the "
                    f"first line names {len(self.columns)} column{'s' * (len(self.columns) != 1)}",
                    "correct the line",
                )

    def _typed(self, cells: dict[str, list[str]], index: pd.RangeIndex) -> pd.DataFrame:
        """The model's columns, each converted to its type in training if its text allows it.

        Numbers are parsed by the same parser as in training, so they are equal to the last digit.
        """
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL)
        writer.writerow(cells)
        writer.writerows(zip(*cells.values(), strict=True))
        text.seek(0)
        plain = [name for name in cells if self._is_text(name)]
        frame = pd.read_csv(
            text,
            index_col=False,
            dtype=dict.fromkeys(plain, str),
            keep_default_na=False,
            na_values=self._missing,
            decimal=self._decimal,
            low_memory=False,
        )
        frame.index = index
        for name in plain:
            frame[name] = self._converted(frame[name])
        return frame

    def _is_text(self, name: str) -> bool:
        kind = self._bundle.columns[name]
        return (
            name == self._bundle.id
            or self._types.get(name) == "boolean"
            or kind.startswith(("str", "string", "category", "datetime"))
        )

    def _converted(self, column: pd.Series) -> pd.Series:
        name = str(column.name)
        kind = self._bundle.columns[name]
        if name == self._bundle.id:
            return number_or_text(column)
        if kind.startswith("datetime"):
            moments = dates(column, self._date_format)
            refuse(column, moments.isna() & column.notna(), kind)
            return moments
        if self._types.get(name) == "boolean":
            truths, row = converted(column, "boolean", self._decimal, None)
            refuse(column, pd.Series(range(len(column))) == row, "true or false")
            return truths
        return column
