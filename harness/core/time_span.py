"""Lengths of time as text, such as 7d, 36h or '2 hours'."""

from __future__ import annotations

import re
from datetime import timedelta

_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "min": 60, "s": 1}
_NAMES = {"w": ("week",), "d": ("day",), "h": ("hour",), "min": ("minute",), "s": ("second", "sec")}
_UNITS = {
    word: _SECONDS[unit]
    for unit, names in _NAMES.items()
    for word in (unit, *names, *(f"{name}s" for name in names))
}


def read_span(text: str) -> timedelta | None:
    """The length of time; None where the text is none, or one of more than three million years.

    Args:
        text: a number of 0 or more and a unit: w, d, h, min, s, or its English name.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.strip())
    if match is None or match[2] not in _UNITS:
        return None
    try:
        return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
    except OverflowError:
        return None
