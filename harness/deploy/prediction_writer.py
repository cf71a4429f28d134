"""Writes predictions chunk by chunk; the file is written whole or not at all."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.core.errors import UserError
from harness.runtime.atomic_file import replace_file

ENDINGS = (".csv", ".csv.gz", ".parquet")


class Sink(Protocol):
    """Writes the chunks of a table, all with the same columns."""

    def write(self, table: pa.Table) -> None: ...


def require(path: Path, source: Path) -> None:
    """Checks that OUT can be written.

    Raises:
        UserError: the ending is unknown, OUT is the input file or a folder, or its folder does not exist.
    """
    if not path.name.lower().endswith(ENDINGS):
        raise UserError(f"OUT must end in {' or '.join(ENDINGS)}, got {path}", "rename it")
    if path.is_dir():
        raise UserError(f"OUT={path} is a folder", "name a file in it")
    if not path.parent.is_dir():
        raise UserError(
            f"OUT={path} lies in a folder that does not exist", f"make it first: mkdir {path.parent}"
        )
    if path.exists() and path.resolve() == source.resolve():
        raise UserError(f"OUT={path} is the file that is read", "name another")


@contextmanager
def open_sink(path: Path) -> Iterator[Sink]:
    """Writes to a draft beside the file and renames it at the end.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    name = path.name.lower()
    with replace_file(path) as draft, draft.open("wb") as file:
        if name.endswith(".parquet"):
            with _Parquet(file) as parquet:
                yield parquet
        elif name.endswith(".gz"):
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                yield _Text(packed)
        else:
            yield _Text(file)


class _Text:
    """Comma-separated UTF-8; numbers with enough digits to restore them exactly."""

    def __init__(self, file: Any) -> None:
        self._file, self._begun = file, False

    def write(self, table: pa.Table) -> None:
        import io

        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        if not self._begun:
            writer.writerow(table.column_names)
            self._begun = True
        writer.writerows(zip(*map(_cells, table.columns), strict=True))
        self._file.write(text.getvalue().encode())


class _Parquet:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._writer: Any = None

    def __enter__(self) -> _Parquet:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, table: pa.Table) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema)
        self._writer.write_table(table)


def _cells(column: pa.ChunkedArray) -> Any:
    """The cells for the `csv` module; None becomes an empty cell."""
    if pa.types.is_string(column.type):
        values: np.ndarray = column.to_numpy(zero_copy_only=False)
        return values
    return column.to_pylist()
