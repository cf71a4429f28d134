"""Points of a search space as vectors, for whatever measures distances between them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

_ABSENT = 0.5
"""The coordinate of a key that a point does not have."""


def points_as_numbers(
    points: Sequence[Mapping[str, Any]], distributions: Mapping[str, BaseDistribution]
) -> np.ndarray:
    """The points as an array, (points, coordinates) float64 between 0 and 1.

    A number has one coordinate, on the scale of its distribution; a choice has one per value, of which one is
    not 0, so that two choices have the distance 1.
    """
    columns = [column for key, drawn in distributions.items() for column in _columns(points, key, drawn)]
    return np.array(columns, dtype=np.float64).reshape(len(columns), len(points)).T


def _columns(points: Sequence[Mapping[str, Any]], key: str, drawn: BaseDistribution) -> list[list[float]]:
    if isinstance(drawn, FloatDistribution | IntDistribution):
        return [[_place(point.get(key), drawn) for point in points]]
    if not isinstance(drawn, CategoricalDistribution):
        raise TypeError(f"no dimension has the distribution {drawn}")
    return [
        [math.sqrt(0.5) if _is(point.get(key), choice) and key in point else 0.0 for point in points]
        for choice in drawn.choices
    ]


def _place(value: Any, drawn: FloatDistribution | IntDistribution) -> float:
    if value is None:
        return _ABSENT
    low, high, value = float(drawn.low), float(drawn.high), float(value)
    if drawn.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low) if high > low else _ABSENT


def _is(value: Any, choice: Any) -> bool:
    """1 and true are different choices."""
    return bool(value == choice) and isinstance(value, bool) == isinstance(choice, bool)
