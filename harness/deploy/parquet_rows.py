"""Reads raw rows from a parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.bundle.bundle import Bundle
from harness.core.errors import UserError
from harness.deploy.row_chunk import Piece


class Columnar:
    """A .parquet file. Columns that are written again keep their types.

    Raises:
        UserError: it is not a parquet file, or two columns have the same name.
    """

    def __init__(self, path: Path, bundle: Bundle) -> None:
        self._path, self._wanted = path, bundle.columns
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as fault:
            raise self._unreadable(fault) from None
        self.columns = list(self._file.schema_arrow.names)
        twice = [name for name in self.columns if self.columns.count(name) > 1]
        if twice:
            raise UserError(f"IN={path} has two columns named {twice[0]!r}", "rename one in the file")

    def pieces(self, size: int | None) -> Iterator[Piece]:
        first = 0
        for table in self._tables(size):
            rows = table.select([name for name in self._wanted if name in self.columns]).to_pandas()
            rows.index = pd.RangeIndex(first, first + len(rows))
            first += len(rows)
            yield Piece(rows, table)

    def _tables(self, size: int | None) -> Iterator[pa.Table]:
        """Tables of exactly `size` rows, except the last; the batches of pyarrow end with the row groups."""
        held: list[pa.Table] = []
        count = 0
        size = size or self._file.metadata.num_rows
        try:
            for batch in self._file.iter_batches(size) if size else ():
                held.append(pa.Table.from_batches([batch]))
                count += len(batch)
                while count >= size:
                    whole = pa.concat_tables(held)
                    yield whole.slice(0, size)
                    held, count = [whole.slice(size)], count - size
        except (pa.ArrowException, OSError) as fault:
            raise self._unreadable(fault) from None
        if count:
            yield pa.concat_tables(held)

    def _unreadable(self, fault: Exception) -> UserError:
        reason = " ".join(str(fault).split()).rstrip(".").replace(". ", ", ")
        return UserError(f"IN={self._path} cannot be read as parquet: {reason}", "save it anew")
