"""Finds the line of a row in a text file, and malformed lines. Slow; used only for error messages."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple, cast

import pandas as pd

from harness.core.errors import UserError

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zip", ".zst")
"""Endings of files that are unpacked while they are read; .zst needs Python 3.14 or `zstandard`."""

_BYTES_AT_ONCE = 1 << 20

_LONGEST_CELL = 2**31 - 1
"""The longest cell in characters; pandas has no limit, and Python's default is 131,072."""


class Dialect(NamedTuple):
    """The format of a text file: separator and character encoding."""

    separator: str
    encoding: str

    @property
    def plain(self) -> bool:
        """Whether the separator is one character; longer ones are regular expressions, without quoting."""
        return len(self.separator) == 1


def opened(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked as pandas does, which has read it before."""
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


def records(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """The cells of each record and the number of the line on which it begins, counted from 1.

    Lines are counted as in an editor: a quoted cell may span several. Blank lines are skipped.
    """
    csv.field_size_limit(_LONGEST_CELL)
    encoding = "utf-8-sig" if dialect.encoding.lower() in ("utf-8", "utf8") else dialect.encoding
    with opened(path) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
        if dialect.plain:
            reader = csv.reader(text, delimiter=dialect.separator)
            first = 1
            for cells in reader:
                if len(cells) > 1 or (cells and cells[0].strip()):
                    yield first, cells
                first = reader.line_num + 1
        else:
            for number, line in enumerate(text, 1):
                if line.strip():
                    yield number, re.split(dialect.separator, line.strip())


class Places(NamedTuple):
    """The files of a frame's rows: the next `sizes[i]` rows are from `paths[i]`."""

    paths: list[Path]
    sizes: list[int]
    dialect: Dialect

    def of(self, row: int) -> str:
        """`line 7 of visits.csv`: the line on which row `row` of the frame begins."""
        for path, size in zip(self.paths, self.sizes, strict=True):
            if row < size:
                after_names = islice(records(path, self.dialect), row + 1, None)
                return f"line {next(after_names)[0]} of {path}"
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
    if _separators(path, dialect) == (len(frame) + 1) * (len(frame.columns) - 1):
        return
    fault = malformed(path, dialect)
    if fault is not None:
        raise fault


def _separators(path: Path, dialect: Dialect) -> int | None:
    """How many separators the file has; None if quotes or wide characters make the count unreliable."""
    separator = dialect.separator.encode()
    if len(separator) > 1 or dialect.encoding.lower().startswith(("utf-16", "utf_16", "utf-32", "utf_32")):
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
                return UserError(
                    f"line {line} of {path} has {len(cells)} cell{'s' * (len(cells) != 1)}, and the first "
                    f"line names {len(names)} column{'s' * (len(names) != 1)}",
                    "correct the line, or set data.extract.separator",
                )
    except (csv.Error, UnicodeDecodeError):
        return None  # pandas reports this error itself
    return None


def unfinished(path: Path, dialect: Dialect) -> UserError:
    """The error for a quoted cell that is never closed."""
    last = max(line for line, _ in records(path, dialect))
    return UserError(f"the quote that opens on line {last} of {path} is never closed", "correct the line")
