"""The nodes that were checked in this process: most trials of a sweep have the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

Targets = Sequence[Callable[..., Any]]

_MOST = 256


class CheckMemory:
    """Remembers plain values without a fault, with the classes and functions that their nodes named then."""

    def __init__(self) -> None:
        self._passed: OrderedDict[str, Targets] = OrderedDict()

    def has(self, key: str, value: Any, targets: Targets) -> bool:
        """Whether the value at `key` was checked with the same targets: a module may have been replaced."""
        return self._passed.get(f"{key}={value!r}") == targets

    def remember(self, key: str, value: Any, targets: Targets) -> None:
        """Takes a value as checked; forgets the oldest one where there are too many."""
        self._passed[f"{key}={value!r}"] = targets
        while len(self._passed) > _MOST:
            self._passed.popitem(last=False)
