"""Names and numbers in a sentence: the first few names, and how many others there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MOST_NAMED = 3
"""A sentence names at most this many rows, columns or values, and counts the rest."""


def listed(names: Iterable[Any], most: int = MOST_NAMED) -> str:
    """`a, b and c`, or `a, b, c and 4 more`."""
    texts = [str(name) for name in names]
    if len(texts) > most:
        return and_more(", ".join(texts[:most]), len(texts) - most)
    return " and ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))


def listed_numbers(numbers: Iterable[int], most: int = MOST_NAMED) -> str:
    """`0 to 29` where none of three or more is missing in between, else as `listed`, the lowest first."""
    ordered = sorted(numbers)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{ordered[0]} to {ordered[-1]}"
    return listed(ordered, most)


def and_more(text: str, others: int) -> str:
    """`text and 4 more`; the text alone if there are no others."""
    return f"{text} and {others} more" if others > 0 else text


def counted(count: int, noun: str) -> str:
    """`1 fold`, `1,780 folds`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
