"""A dimension of numbers at equal distances."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import BaseTrial

from harness.core.errors import UserError
from harness.sweep.space.dimension import Dimension
from harness.sweep.space.swept_value import Value


@dataclass(frozen=True, kw_only=True)
class Steps(Dimension):
    """start, start + step, …: `count` numbers, all int or all float; the step may be negative.

    shuffled  whether a grid visits them in a random order, which is the same in every process
    """

    kind = "range"
    start: int | float
    step: int | float
    count: int
    shuffled: bool = False

    @property
    def size(self) -> int:
        return self.count

    def values(self) -> Sequence[Value]:
        values = [self._at(place) for place in range(self.count)]
        if self.shuffled:
            random.Random(self.key).shuffle(values)
        return values

    def landmarks(self) -> Sequence[Value]:
        return list(dict.fromkeys((self._at(0), self._at(self.count - 1))))

    @property
    def description(self) -> str:
        shuffled = " (shuffled)" if self.shuffled else ""
        return f"{self._at(0)} to {self._at(self.count - 1)} in steps of {self.step}{shuffled}"

    def distribution(self) -> IntDistribution | FloatDistribution:
        low, high, step = self._bounds()
        if isinstance(self.start, int):
            return IntDistribution(int(low), int(high), step=int(step))
        return FloatDistribution(low, high, step=step)

    def suggest(self, trial: BaseTrial) -> Value:
        low, high, step = self._bounds()
        if isinstance(self.start, int):
            return trial.suggest_int(self.key, int(low), int(high), step=int(step))
        return self._nearest(trial.suggest_float(self.key, low, high, step=step))

    def draw(self, chance: random.Random) -> Value:
        return self._at(chance.randrange(self.count))

    def read(self, given: Any, place: str) -> Value:
        if isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given):
            value = self._nearest(given)
            if math.isclose(value, given, rel_tol=1e-12, abs_tol=abs(self.step) * 1e-9):
                return value
        raise UserError(f"{place} must be one of {self.description}, got {given!r}", key=place, value=given)

    def override(self, value: Value) -> str:
        # A study holds 0.30000000000000004, where start and step were added up in binary.
        return super().override(self._nearest(value) if isinstance(value, float) else value)

    def _at(self, place: int) -> int | float:
        if isinstance(self.start, int) and isinstance(self.step, int):
            return self.start + place * self.step
        return float(Decimal(repr(self.start)) + place * Decimal(repr(self.step)))

    def _nearest(self, value: float) -> int | float:
        place = round((value - self.start) / self.step)
        return self._at(min(max(place, 0), self.count - 1))

    def _bounds(self) -> tuple[float, float, float]:
        ends = self._at(0), self._at(self.count - 1)
        return min(ends), max(ends), abs(self.step)
