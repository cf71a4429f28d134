"""The condition under which a dimension is part of a point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.sweep.space.swept_value import Value, word


@dataclass(frozen=True)
class Condition:
    """Another dimension has one of these values; where that one is absent, the condition does not hold."""

    key: str
    values: tuple[Value, ...]

    def holds(self, point: Mapping[str, Value]) -> bool:
        return self.key in point and point[self.key] in self.values

    @property
    def description(self) -> str:
        """As one writes it: `model=mlp,convnet`."""
        return f"{self.key}={','.join(map(word, self.values))}"
