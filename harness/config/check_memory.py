"""The nodes that were checked in this process: most trials of a sweep have the same."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

Targets = Sequence[Callable[..., Any]]

_MOST = 256


def without_fractions(value: Any) -> Any:
    """A plain value, with the type `float` in the place of each finite one."""
    if isinstance(value, dict):
        return {name: without_fractions(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_fractions(item) for item in value]
    return float if isinstance(value, float) and math.isfinite(value) else value


class CheckMemory:
    """Remembers plain values without a fault, with the classes and functions that their nodes named then.

    Values that differ only in how large a fraction is are one: the check is about names and types.
    """

    def __init__(self) -> None:
        self._passed: OrderedDict[str, Targets] = OrderedDict()

    def has(self, key: str, value: Any, targets: Targets) -> bool:
        """Whether the value at `key` was checked with the same targets: a module may have been replaced."""
        return self._passed.get(f"{key}={without_fractions(value)!r}") == targets

    def remember(self, key: str, value: Any, targets: Targets) -> None:
        """Takes a value as checked; forgets the oldest one where there are too many."""
        self._passed[f"{key}={without_fractions(value)!r}"] = targets
        while len(self._passed) > _MOST:
            self._passed.popitem(last=False)
