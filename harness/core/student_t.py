"""The quantile of Student's t distribution, from which intervals are made."""

from __future__ import annotations

import math


def student_t(freedom: int, confidence: float = 0.95) -> float:
    """Returns t with P(|T| <= t) = `confidence`, for an integer number of degrees of freedom.

    Bisection on the angle atan(t / sqrt(freedom)), in which that probability is a finite sum. Importing
    scipy takes longer than many runs, and its last bits differ: a rerun would not equal an earlier run.
    """
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < confidence else (low, middle)
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def _within(angle: float, freedom: int) -> float:
    """P(|T| <= sqrt(freedom) tan(angle)): Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    cosine = math.cos(angle)
    odd = freedom % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for index in range(1 + odd, freedom, 2):
        total += term
        term *= cosine**2 * index / (index + 1)
    inside = math.sin(angle) * total
    return 2 / math.pi * (angle + inside) if odd else inside
