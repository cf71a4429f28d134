"""Piece: some raw rows at a time, and what gives them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pandas as pd
import pyarrow as pa


@dataclass(frozen=True)
class Piece:
    """Some rows, in their order.

    rows     the columns that the model reads; the index is the rows' positions in IN, from 0
    carried  the columns to be written again, as they were given
    """

    rows: pd.DataFrame
    carried: pa.Table


class Source(Protocol):
    """Where raw rows are. `columns` are all its columns, in order."""

    columns: list[str]

    def pieces(self, size: int | None) -> Iterator[Piece]:
        """Pieces of `size` rows, the last with what is left; None: all rows in one.

        Raises:
            UserError: it cannot be read on.
        """
        ...
