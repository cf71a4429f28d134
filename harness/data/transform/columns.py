"""Columns of a table as finite numbers, and what is wrong with those that are not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.errors import UserError, near
from harness.table import Table


def select(table: Table, columns: Sequence[str]) -> pd.DataFrame:
    """These columns of the table, in this order.

    Raises:
        UserError: the table lacks one.
    """
    for column in columns:
        if column not in table.frame.columns:
            raise UserError(
                f"{table.name} lacks the column {column!r}, from which the model was trained to predict; "
                f"{near(column, map(str, table.frame.columns))}"
            )
    return table.frame[list(columns)]


def numbers(frame: pd.DataFrame) -> np.ndarray:
    """(N, F) float64 with NaN for what is missing, infinite or beyond float32.

    Raises:
        UserError: a column holds text.
    """
    values = np.empty(frame.shape, dtype=np.float64)
    for position, column in enumerate(frame.columns):
        try:
            numeric = pd.to_numeric(frame[column])
            values[:, position] = numeric.to_numpy(dtype=np.float64, na_value=np.nan)
        except (ValueError, TypeError):
            raise UserError(
                f"column {column!r} must hold numbers, and holds text; mend it, or leave it out with "
                "data.extract.drop."
            ) from None
    values[np.abs(values) > np.finfo(np.float32).max] = np.nan
    return values
