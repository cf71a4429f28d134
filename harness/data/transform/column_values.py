"""Columns of a table as finite numbers, texts or dates, and what is wrong with those that are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.core.errors import UnknownName, UserError
from harness.core.typed_override import typed

Source = pd.DataFrame | np.ndarray
"""A frame of columns, or an (N, F) array of features instead."""

_LARGEST = np.finfo(np.float32).max


def require(frame: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    """Raises UserError: the frame of the table `name` lacks one of the columns."""
    for column in columns:
        if column not in frame.columns:
            raise UnknownName(
                f"{name} lacks the column {column!r}, from which the model was trained to predict",
                column,
                map(str, frame.columns),
            )


def numbers(frame: pd.DataFrame) -> np.ndarray:
    """(N, F) float64 with NaN for what is missing, infinite or beyond float32.

    May share memory with a frame that holds nothing else, and is not to be written to.

    Raises:
        UserError: a column holds text.
    """
    if all(isinstance(dtype, np.dtype) and dtype.kind in "fiub" for dtype in frame.dtypes):
        return finite(frame.to_numpy(dtype=np.float64))
    values = np.empty(frame.shape, dtype=np.float64)
    for position, column in enumerate(frame.columns):
        try:
            numeric = pd.to_numeric(frame[column])
            values[:, position] = numeric.to_numpy(dtype=np.float64, na_value=np.nan)
        except (ValueError, TypeError):
            raise UserError(
                f"column {column!r} must hold numbers, and holds text",
                f"correct it, or leave it out with {typed('data.extract.drop', [str(column)])}",
            ) from None
    return finite(values)


def source_numbers(source: Source, names: Sequence[Any], rows: np.ndarray | slice) -> np.ndarray:
    """(n, F) float64, NaN where missing; `names` are positions in an array."""
    if isinstance(source, np.ndarray):
        whole = len(names) == source.shape[1]
        values = source[rows] if whole else source[rows][:, names]
        return finite(np.asarray(values, dtype=np.float64))
    if isinstance(rows, slice):
        part = source.iloc[rows]  # a view, the columns of it are a copy
        return numbers(part[list(names)]) if list(names) != list(part.columns) else numbers(part).copy()
    return numbers(source[list(names)].iloc[rows])


def finite(values: np.ndarray) -> np.ndarray:
    """float64 values with NaN for what is infinite or beyond float32; themselves where nothing is."""
    if not values.size:
        return values
    highest, lowest = np.fmax.reduce(values, axis=None), np.fmin.reduce(values, axis=None)
    if highest > _LARGEST or lowest < -_LARGEST:
        return np.where(np.abs(values) > _LARGEST, np.nan, values)
    return values


def texts(column: pd.Series) -> np.ndarray:
    """(N,) objects: each value as text, and NaN where it is missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        names = np.array([*map(str, column.cat.categories), np.nan], dtype=object)
        return np.asarray(names[column.cat.codes.to_numpy()])
    if pd.api.types.is_bool_dtype(column) and not pd.api.types.is_object_dtype(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(
            np.isnan(values), np.nan, np.array(["False", "True"], dtype=object)[(values == 1) * 1]
        )
    if pd.api.types.infer_dtype(column, skipna=True) == "string":
        return np.where(column.isna(), np.nan, column.to_numpy(dtype=object, na_value=np.nan))
    # A mixture, where 1, 1.0 and True are equal and differ as text: cell by cell.
    known = column.notna()
    return np.array([str(v) if k else np.nan for v, k in zip(column, known, strict=True)], dtype=object)


def is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def is_category(column: pd.Series) -> bool:
    """Whether the column holds text, truth values or categories; bytes, such as encoded images, are none."""
    return (
        pd.api.types.is_bool_dtype(column)
        or pd.api.types.is_string_dtype(column)
        or (pd.api.types.is_object_dtype(column) and pd.api.types.infer_dtype(column) != "bytes")
        or isinstance(column.dtype, pd.CategoricalDtype)
    )


def is_date(column: pd.Series) -> bool:
    """Whether the column holds points in time, as a type of its own or as Python's dates."""
    if pd.api.types.is_object_dtype(column):
        return pd.api.types.infer_dtype(column, skipna=True) in ("date", "datetime", "datetime64")
    return pd.api.types.is_datetime64_any_dtype(column)


def kind_of(column: pd.Series, name: str) -> str:
    """One of "numeric", "dates" and "categorical".

    Raises:
        UserError: the column holds something else.
    """
    if is_number(column):
        return "numeric"
    if is_date(column):
        return "dates"
    if is_category(column):
        return "categorical"
    held = "bytes" if pd.api.types.is_object_dtype(column) else column.dtype
    raise UserError(
        f"column {column.name!r} of {name} holds {held}, and data.transform takes numbers, text, "
        "booleans, dates and categories",
        f"convert it, or leave it out with {typed('data.extract.drop', [str(column.name)])}",
        key="data.transform",
    )
