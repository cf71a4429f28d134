"""Scores: named numbers about a part of the data, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Direction = Literal["minimize", "maximize"]

_LOWER_IS_BETTER = ("loss", "rmse", "mae", "mse", "ece", "error", "seconds", "parameters")


def direction(name: str) -> Direction:
    """Whether a score such as `valid/rmse` is better low or high: it follows from its name."""
    words = name.rsplit("/", 1)[-1].split("_")
    return "minimize" if any(word in _LOWER_IS_BETTER for word in words) else "maximize"


@dataclass(frozen=True)
class Scores:
    """What an evaluation found on one part.

    values     by plain name ("accuracy", "accuracy_majority" …), without the part's prefix
    confusion  (C, C) int64 counts, true class by row, or None
    """

    values: dict[str, float]
    confusion: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=())
