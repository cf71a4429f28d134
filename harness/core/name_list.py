"""Names in a sentence: the first few, and how many there are besides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MOST_NAMED = 3
"""A sentence names at most this many rows, columns or values, and counts the rest."""


def listed(names: Iterable[Any], most: int = MOST_NAMED) -> str:
    """`a, b and c`, or `a, b, c and 4 more`."""
    texts = [str(name) for name in names]
    if len(texts) > most:
        return f"{', '.join(texts[:most])} and {len(texts) - most} more"
    return " and ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))
