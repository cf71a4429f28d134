"""Reads raw rows from CSV: a file, or the body of a request."""

from __future__ import annotations

import csv
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa

from harness.bundle.bundle import Bundle
from harness.bundle.row_predictor import refuse
from harness.core.errors import UserError
from harness.data.extract.column_types import converted, dates, number_or_text
from harness.data.extract.text_file_format import TextFormat, is_text
from harness.data.extract.text_lines import records
from harness.deploy.row_chunk import Piece

_FAULTS = (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


class Separated:
    """Separated values in a text file or in UTF-8; .gz and similar are unpacked.

    It is read as the training file was: header, separator, encoding, missing values, and how numbers and
    dates are written; else with commas, points and UTF-8, and the column names in the first line. Each
    column is read with the type that it had in training, independent of the other rows of a chunk. The
    original text is written again, without blanks around it where those do not count.

    Args:
        text: the path of the file, or its content.
        bundle: of the model.

    Raises:
        UserError: the text is empty or not readable as CSV, or two columns have the same name.
    """

    def __init__(self, text: Path | bytes, bundle: Bundle) -> None:
        extract = bundle.config.get("data", {}).get("extract", {})
        self._place = "the body" if isinstance(text, bytes) else str(text)
        self._name = self._place if isinstance(text, bytes) else f"IN={self._place}"
        tabs = self._place.lower().endswith((".tsv", ".tsv.gz"))
        self._text, self._bundle = text, bundle
        self._format = TextFormat.of(extract, "\t" if tabs else ",")
        self._dialect = self._format.dialect
        if isinstance(text, bytes):
            self._dialect = self._dialect._replace(encoding="utf-8")
        self._types = (extract.get("types") or {}) if "separator" in extract else {}
        self._dates = [*extract.get("dates", ()), *(c for c, kind in self._types.items() if kind == "date")]
        first = next(self._blocks(1), (0, [[]]))[1][0]
        if not first:
            header = "a line of column names and some rows" if self._dialect.header else "some rows"
            raise UserError(f"{self._name} is empty", f"give one with {header}")
        self.columns = self._dialect.columns(first)
        if len(self.columns) != len(first):
            raise UserError(
                f"{self._name} must have the {len(self.columns)} columns of data.extract.names, and its "
                f"first line has {len(first)} cells",
                "give rows as the data source gives them",
            )
        twice = [name for name in self.columns if self.columns.count(name) > 1]
        if twice:
            raise UserError(f"{self._name} has two columns named {twice[0]!r}", "rename one")

    def pieces(self, size: int | None) -> Iterator[Piece]:
        first = 0
        blocks = self._blocks(size, skip=int(self._dialect.header))
        for line, block in blocks:
            self._require_equal_lengths(line, block)
            cells = dict(zip(self.columns, map(list, zip(*block, strict=True)), strict=True))
            wanted = {name: cells[name] for name in self._bundle.columns if name in cells}
            rows = self._typed(wanted, pd.RangeIndex(first, first + len(block)))
            first += len(block)
            yield Piece(rows, pa.table({name: pa.array(text, pa.string()) for name, text in cells.items()}))

    def _blocks(self, size: int | None, skip: int = 0) -> Iterator[tuple[list[int], list[list[str]]]]:
        """The line numbers and the cells of the records, `size` records at a time."""
        remaining = islice(records(self._text, self._dialect), skip, None)
        while True:
            try:
                block = list(islice(remaining, size))
            except _FAULTS as fault:
                reason = " ".join(str(fault).split()).rstrip(".").replace(". ", ", ")
                raise UserError(
                    f"{self._name} cannot be read as {self._dialect.encoding.upper()} text: {reason}",
                    "correct it, or save it as such",
                ) from None
            if not block:
                return
            lines, cells = zip(*block, strict=True)
            yield list(lines), list(cells)

    def _require_equal_lengths(self, lines: list[int], block: list[list[str]]) -> None:
        for line, cells in zip(lines, block, strict=True):
            if len(cells) != len(self.columns):
                raise UserError(
                    f"line {line} of {self._place} has {len(cells)} cell{'s' * (len(cells) != 1)}, and the "
                    f"first line names {len(self.columns)} column{'s' * (len(self.columns) != 1)}",
                    "correct the line",
                )

    def _typed(self, cells: dict[str, list[str]], index: pd.RangeIndex) -> pd.DataFrame:
        """The model's columns, each converted to its type in training if its text allows it.

        Numbers are parsed by the same parser as in training, so they are equal to the last digit.
        """
        if not cells:
            return pd.DataFrame(index=index)
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
            na_values=list(self._format.missing),
            decimal=self._format.numbers.decimal,
            low_memory=False,
        )
        frame.index = index
        for name in frame.columns:
            frame[name] = self._format.trimmed(frame[name])
            frame[name] = (self._converted if name in plain else self._numbers)(frame[name])
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
            declared = name in self._dates or not self._format.recognise
            moments = dates(column, self._format.date_format if declared else None)
            refuse(column, moments.isna() & column.notna(), kind)
            return moments
        if self._types.get(name) == "boolean":
            truths, row = converted(column, "boolean", self._format.numbers, None)
            refuse(column, pd.Series(range(len(column))) == row, "true or false")
            return truths
        return column

    def _numbers(self, column: pd.Series) -> pd.Series:
        """A column of numbers that pandas has read as text; other columns are returned unchanged."""
        kind = self._bundle.columns[str(column.name)]
        if not kind.startswith(("int", "uint", "float")) or not is_text(column):
            return column
        numbers = self._format.numbers.numbers(column, self._types.get(str(column.name)) == "int")
        refuse(column, numbers.isna() & column.notna(), kind)
        return numbers
