"""Predicts the target from one feature alone, by the nearest value in the training rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.leakage.finding_text import codes


def comparable(column: pd.Series) -> tuple[np.ndarray, bool]:
    """(n,) float64 of a column, and whether its values are ordered amounts (else codes without an order).

    A missing amount becomes a value far below all others, because being missing may itself predict the
    target.
    """
    if not pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_datetime64_any_dtype(column):
        return codes(column)[0].astype(np.float64), False
    if pd.api.types.is_datetime64_any_dtype(column):
        column = (column - column.min()).dt.total_seconds()
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    # Scaled down first: the difference between the two largest floats would overflow.
    values, low, high = values / 4, low / 4, high / 4
    return np.nan_to_num(values, nan=2 * low - high - 1, posinf=high, neginf=low), True


def guess_class(fit: np.ndarray, classes: np.ndarray, held: np.ndarray, amounts: bool) -> np.ndarray:
    """(h,) int64, the most frequent class among the training rows with the nearest value.

    For a feature without an order, a value that does not occur in training gets the most frequent class.

    Args:
        fit: (n,) float64 of the training rows.
        classes: (n,) int64, their classes.
        held: (h,) float64 of the held-out rows.
        amounts: whether the values have an order.
    """
    values, place = np.unique(fit, return_inverse=True)
    count = int(classes.max()) + 1
    table = np.bincount(place * count + classes, minlength=len(values) * count).reshape(len(values), count)
    nearest = _nearest(values, held)
    guess: np.ndarray = table.argmax(axis=1)[nearest]
    if not amounts:
        guess[values[nearest] != held] = np.bincount(classes).argmax()
    return guess


def guess_number(fit: np.ndarray, numbers: np.ndarray, held: np.ndarray, amounts: bool) -> np.ndarray:
    """(h,) float64, the mean target of the training rows with that value; interpolated between two values."""
    values, place = np.unique(fit, return_inverse=True)
    means = np.bincount(place, weights=numbers) / np.bincount(place)
    if amounts:
        return np.asarray(np.interp(held, values, means))
    nearest = _nearest(values, held)
    guess: np.ndarray = np.where(values[nearest] == held, means[nearest], numbers.mean())
    return guess


def _nearest(values: np.ndarray, held: np.ndarray) -> np.ndarray:
    """(h,) int64, the position of the nearest one of the sorted `values`."""
    right = np.searchsorted(values, held).clip(0, len(values) - 1)
    left = (right - 1).clip(0)
    return np.where(held - values[left] < values[right] - held, left, right)
