"""Chunks of raw rows, and the interface of what reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pandas as pd
import pyarrow as pa


@dataclass(frozen=True)
class Piece:
    """Some rows in their order.

    rows     the columns that the model reads; the index is the rows' positions in IN, from 0
    carried  the columns to write again unchanged
    """

    rows: pd.DataFrame
    carried: pa.Table


class Source(Protocol):
    """A source of raw rows. `columns` are all its columns in order."""

    columns: list[str]

    def pieces(self, size: int | None) -> Iterator[Piece]:
        """Chunks of `size` rows, the last with the rest; None: all rows in one chunk.

        Raises:
            UserError: the file cannot be read further.
        """
        ...
