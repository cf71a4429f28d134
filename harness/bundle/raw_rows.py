"""Raw rows: the input of a model in production, in the form of its data source."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from harness.core.errors import UserError
from harness.core.table import Table
from harness.data.extract.text_file_format import is_text

ARRAY = "array"
"""The column that holds the features if they are an array; each cell is a list of lists or an ndarray."""

_MOST_NUMBERS = 2**16  # for an example: half a megabyte as JSON


def columns(table: Table) -> dict[str, str]:
    """The columns of a raw row and their dtypes as pandas 3 names them, taken from the training table."""
    if table.files is not None:
        return _types(table.frame, [table.files])
    if table.array is not None:
        return {ARRAY: str(table.array.dtype)}
    if table.events is None:
        return _types(table.frame, table.features)
    names = dict.fromkeys([*table.features, *filter(None, (table.id, table.time))])
    return _types(table.events, names)


name_of = lru_cache(maxsize=256)(str)
"""The name of a dtype, which NumPy makes slowly; each trial and each prediction asks for all."""


def _types(frame: pd.DataFrame, names: Iterable[str]) -> dict[str, str]:
    types = dict(zip(frame.columns, map(name_of, frame.dtypes), strict=True))
    # The texts of pandas 2, and of a source that leaves them as objects, are those of pandas 3.
    return {
        name: "str" if types[name] == "object" and is_text(frame[name]) else types[name] for name in names
    }


def example(table: Table, count: int) -> pd.DataFrame | None:
    """`count` samples as raw rows; for sequences, all their events, with numbers instead of ids.

    None if JSON cannot or should not hold them: encoded images, paths of images (which may contain names of
    people), and large arrays.
    """
    if table.files is not None:
        return None
    if table.array is not None:
        first = table.array[:count]
        return pd.DataFrame({ARRAY: first.tolist()}) if first.size <= _MOST_NUMBERS else None
    if table.events is not None and table.spans is not None:
        return _events(table, table.events, table.spans[:count])
    rows = table.frame[list(table.features)].head(count)
    cells = rows.select_dtypes(exclude="number").to_numpy(dtype=object).ravel()
    texts = any(isinstance(value, str) for value in cells)
    held = not any(isinstance(value, bytes) for value in cells)
    return rows if held and not (table.kind == "image" and texts) else None


def stacked(cells: pd.Series, shape: tuple[int, ...]) -> np.ndarray:
    """The cells of a column `array` as one array (N, *shape) of numbers.

    Raises:
        UserError: a cell has another shape or is not numeric.
    """
    arrays = [_numbers(cell) for cell in cells]
    for row, array in zip(cells.index, arrays, strict=True):
        if array is None or array.shape != shape:
            actual = "no array of numbers" if array is None else f"one of shape {array.shape}"
            raise UserError(
                f"column {ARRAY!r} must hold an array of numbers of shape {shape} in each row, as in "
                f"training, and row {row} holds {actual}",
                "give rows as the data source gives them",
            )
    return np.stack([array for array in arrays if array is not None])


def _numbers(cell: Any) -> np.ndarray | None:
    try:
        array = np.asarray(cell)
    except ValueError:  # lists of different lengths
        return None
    return array if array.dtype.kind in "biuf" else None


def _events(table: Table, events: pd.DataFrame, spans: np.ndarray) -> pd.DataFrame:
    """The events of some sequences, with ids numbered from 0."""
    parts = [
        events.iloc[start:stop].assign(**{str(table.id): number})
        for number, (start, stop) in enumerate(spans)
    ]
    return pd.concat(parts, ignore_index=True)[list(columns(table))]
