"""The names that resemble one that is unknown, for the remedy of an error."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches

from harness.core.name_list import listed, listed_numbers

MOST_NAMES = 20
"""A message lists this many choices at most."""

_LESS_LIKE = 0.125
"""Names whose likeness differs by more are not offered together."""


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """At most three names that resemble `name`, the best first, and none much less than the best."""
    close = get_close_matches(name, sorted(names), n=3, cutoff=0.6)
    likeness = {other: SequenceMatcher(None, other, name).ratio() for other in close}
    return [other for other in close if likeness[other] >= likeness[close[0]] - _LESS_LIKE]


def near(name: str, names: Iterable[str]) -> str:
    """The remedy for an unknown name: `did you mean …?`, or the names that there are if none is near.

    Whole numbers that look alike are no near misses. "" where there are no names.
    """
    known = sorted(names)
    numbers = all(other.isdecimal() for other in known)
    close = [] if numbers else nearest(name, known)
    if close:
        return f"did you mean {' or '.join(close)}?"
    if len(known) < 2:
        return f"there is only {known[0]}." if known else ""
    shown = listed_numbers(map(int, known), MOST_NAMES) if numbers else listed(known, MOST_NAMES)
    return f"there are {shown}."
