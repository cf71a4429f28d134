"""Rounding to six significant digits, as a number has after it was printed and read again."""

from __future__ import annotations

import math

import numpy as np

DIGITS = 6


def _scales(more: int) -> np.ndarray:
    """(2048,) float64, by binary exponent: the power of ten for DIGITS - `more` digits before the decimal
    point."""
    powers = [DIGITS - 1 - more - math.floor((exponent - 1023) * math.log10(2)) for exponent in range(2047)]
    return np.array([float(f"1e{min(300, max(-300, power))}") for power in powers] + [1.0])


_SCALES, _TENTHS = _scales(0), _scales(1)


def significant(values: np.ndarray) -> np.ndarray:
    """(n,) float64 rounded to six significant decimal digits; infinite and missing values are unchanged.

    The power of ten is looked up by the binary exponent (2048 entries), which takes half the time of
    logarithms. Numbers below 1e-300 become 0.
    """
    exponents = (values.view(np.int64) >> 52) & 2047
    scales = _SCALES[exponents]
    scaled = values * scales
    long = np.abs(scaled) >= 10**DIGITS  # a binary exponent may span two decimal ones
    long &= exponents < 2047
    scales[long] = _TENTHS[exponents[long]]
    scaled[long] = values[long] * scales[long]
    rounded: np.ndarray = np.rint(scaled) / scales + 0.0
    return rounded
