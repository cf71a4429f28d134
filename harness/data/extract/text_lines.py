"""Finds the line of a row in a text file, and malformed lines. Slow; used only for error messages."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple, cast

import pandas as pd

from harness.core.errors import UserError
from harness.core.typed_override import typed

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zip", ".zst")
"""Endings of files that are unpacked while they are read; .zst needs Python 3.14 or `zstandard`."""

_COMMENTS = ("#", "//", "%", "!")
"""Texts with which lines above a table often begin."""

_BYTES_AT_ONCE = 1 << 20

_LONGEST_CELL = 2**31 - 1
"""The longest cell in characters; pandas has no limit, and Python's default is 131,072."""


class Dialect(NamedTuple):
    """The lines and cells of a text file.

    separator  between two cells: one character, or a regular expression
    encoding   of the characters, by its name in Python
    header     whether the first line has the column names
    names      the column names where the first line has none, or other ones; None: those of the first line
    skip_rows  how many lines before the first are left out
    comment    the text with which a line begins that is left out; None: no line is
    trim       whether names and cells have no blanks around them
    """

    separator: str
    encoding: str
    header: bool = True
    names: tuple[str, ...] | None = None
    skip_rows: int = 0
    comment: str | None = None
    trim: bool = False

    @property
    def plain(self) -> bool:
        """Whether the separator is one character; longer ones are regular expressions, without quoting."""
        return len(self.separator) == 1

    @property
    def whole(self) -> bool:
        """Whether no line of the file is left out."""
        return not self.skip_rows and self.comment is None

    @property
    def skips_blanks(self) -> bool:
        """Whether blanks before a cell, and before the quote that opens it, are left out while it is read."""
        return self.trim and self.separator != " "

    def columns(self, first: list[str]) -> list[str]:
        """The names of the columns, from the cells of the first line; a name that is empty is numbered."""
        if self.names is not None:
            return list(self.names)
        if not self.header:
            return [f"column_{number}" for number in range(1, len(first) + 1)]
        names = [name.strip() for name in first] if self.trim else first
        return [name or f"Unnamed: {number}" for number, name in enumerate(names)]


class TableLines:
    """The lines of a text file that belong to its table.

    A line within a quoted cell that begins like a comment is left out as well.

    Args:
        text: the lines of the file.
        dialect: which of them are left out.
    """

    def __init__(self, text: Iterable[str], dialect: Dialect) -> None:
        self._lines = islice(enumerate(text, 1), dialect.skip_rows, None)
        self._comment = dialect.comment
        self._first = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        for number, line in self._lines:
            if self._comment is None or not line.startswith(self._comment):
                self._first = self._first or number
                return line
        raise StopIteration

    def first(self) -> int:
        """The number of the first line since the last call, counted from 1."""
        first, self._first = self._first, 0
        return first


def opened(path: Path | bytes) -> IO[bytes]:
    """The bytes of a file, unpacked as pandas does, which has read it before. Bytes are a content."""
    if isinstance(path, bytes):
        return io.BytesIO(path)
    match path.suffix:
        case ".gz":
            import gzip

            return cast(IO[bytes], gzip.open(path))
        case ".bz2":
            import bz2

            return bz2.open(path)
        case ".xz":
            import lzma

            return cast(IO[bytes], lzma.open(path))
        case ".zip":
            import zipfile

            archive = zipfile.ZipFile(path)
            return archive.open(archive.namelist()[0])
        case ".zst":
            return _unpacked_zst(path)
    return path.open("rb")


def _unpacked_zst(path: Path) -> IO[bytes]:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]  # Python 3.14
    except ImportError:
        import zstandard as zstd  # type: ignore[import-not-found, unused-ignore]
    return cast(IO[bytes], zstd.open(path, "rb"))


def records(path: Path | bytes, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """The cells of each record of a file, or of its content, and the line where it begins, counted from 1.

    Lines are counted as in an editor: a quoted cell may span several. Blank lines are skipped.
    """
    csv.field_size_limit(_LONGEST_CELL)
    with opened(path) as raw, io.TextIOWrapper(raw, encoding=_codec(dialect), newline="") as text:
        lines = TableLines(text, dialect)
        split: Iterable[list[str]]
        if dialect.plain:
            split = csv.reader(lines, delimiter=dialect.separator, skipinitialspace=dialect.skips_blanks)
        else:
            split = (re.split(dialect.separator, line.strip()) for line in lines)
        for cells in split:
            number = lines.first()
            if len(cells) > 1 or (cells and cells[0].strip()):
                yield number, [cell.strip() for cell in cells] if dialect.trim else cells


def table_text(path: Path, dialect: Dialect) -> io.StringIO:
    """The lines of a file that belong to its table, in memory."""
    with opened(path) as raw, io.TextIOWrapper(raw, encoding=_codec(dialect), newline="") as text:
        return io.StringIO("".join(TableLines(text, dialect)), newline="")


def _codec(dialect: Dialect) -> str:
    return "utf-8-sig" if dialect.encoding.lower() in ("utf-8", "utf8") else dialect.encoding


class Places(NamedTuple):
    """The files of a frame's rows: the next `sizes[i]` rows are from `paths[i]`."""

    paths: list[Path]
    sizes: list[int]
    dialect: Dialect

    def of(self, row: int) -> str:
        """`line 7 of visits.csv`: the line on which row `row` of the frame begins."""
        for path, size in zip(self.paths, self.sizes, strict=True):
            if row < size:
                rows = islice(records(path, self.dialect), row + self.dialect.header, None)
                return f"line {next(rows)[0]} of {path}"
            row -= size
        raise IndexError(f"there is no row {row}")


def require_equal_lengths(path: Path, dialect: Dialect, frame: pd.DataFrame) -> None:
    """Checks that no row has fewer cells than there are columns; pandas would treat them as missing.

    A short row lacks the last cell, so the file is read again only if a last cell is missing, and as bytes
    if it has no quotes.

    Raises:
        UserError: a row is short; names file and line.
    """
    if not frame.iloc[:, -1].hasnans or len(frame.columns) == 1:
        return
    if _separators(path, dialect) == (len(frame) + dialect.header) * (len(frame.columns) - 1):
        return
    fault = malformed(path, dialect)
    if fault is not None:
        raise fault


def _separators(path: Path, dialect: Dialect) -> int | None:
    """How many separators the file has; None if quotes or wide characters make the count unreliable."""
    separator = dialect.separator.encode()
    if (
        not dialect.whole
        or len(separator) > 1
        or dialect.encoding.lower().startswith(("utf-16", "utf_16", "utf-32", "utf_32"))
    ):
        return None
    count = 0
    with opened(path) as raw:
        while block := raw.read(_BYTES_AT_ONCE):
            if b'"' in block:
                return None
            count += block.count(separator)
    return count


def malformed(path: Path, dialect: Dialect) -> UserError | None:
    """Describes the first line with more or fewer cells than the first line, or None."""
    names: list[str] = []
    try:
        for line, cells in records(path, dialect):
            names = names or cells
            if len(cells) != len(names):
                mark = next((mark for mark in _COMMENTS if names[0].lstrip().startswith(mark)), None)
                return UserError(
                    f"line {line} of {path} has {len(cells)} cell{'s' * (len(cells) != 1)}, and the first "
                    f"line {'names' if dialect.header else 'has'} {len(names)} "
                    f"{'column' if dialect.header else 'cell'}{'s' * (len(names) != 1)}",
                    "correct the line, or set data.extract.separator"
                    if mark is None or dialect.comment is not None
                    else f"leave out lines that begin with {mark} by {typed('data.extract.comment', mark)}",
                )
    except (csv.Error, UnicodeDecodeError):
        return None  # pandas reports this error itself
    return None


def unfinished(path: Path, dialect: Dialect) -> UserError:
    """The error for a quoted cell that is never closed."""
    last = max(line for line, _ in records(path, dialect))
    return UserError(f"the quote that opens on line {last} of {path} is never closed", "correct the line")
