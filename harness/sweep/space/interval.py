"""A dimension of all numbers between two ends."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import BaseTrial

from harness.core.errors import UserError
from harness.sweep.space.dimension import Dimension
from harness.sweep.space.swept_value import Value


@dataclass(frozen=True, kw_only=True)
class Interval(Dimension):
    """All numbers from `low` to `high`, both included: whole ones where the ends are int.

    log  whether equal ratios are equally likely, instead of equal differences
    """

    kind = "interval"
    low: int | float
    high: int | float
    log: bool = False

    @property
    def size(self) -> None:
        return None

    def values(self) -> Sequence[Value]:
        raise UserError(
            f"a grid needs listed values, and {self.key} got the interval {self.description}",
            f"list them: {self.key}=A,B,C, or let a sampler choose: sweep=tpe sweep.trials=N",
        )

    def landmarks(self) -> Sequence[Value]:
        return (self.low, self.high)

    @property
    def description(self) -> str:
        whole = ["whole numbers"] if isinstance(self.low, int) else []
        marks = ", ".join([*whole, "log"] if self.log else whole)
        return f"{self.low} to {self.high}{f' ({marks})' if marks else ''}"

    def distribution(self) -> IntDistribution | FloatDistribution:
        if isinstance(self.low, int) and isinstance(self.high, int):
            return IntDistribution(self.low, self.high, log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    def suggest(self, trial: BaseTrial) -> Value:
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(self.key, self.low, self.high, log=self.log)
        return trial.suggest_float(self.key, self.low, self.high, log=self.log)

    def draw(self, chance: random.Random) -> Value:
        if isinstance(self.low, int) and isinstance(self.high, int):
            return chance.randint(self.low, self.high)
        if self.log:
            drawn = math.exp(chance.uniform(math.log(self.low), math.log(self.high)))
            return min(max(drawn, self.low), self.high)
        return chance.uniform(self.low, self.high)

    def read(self, given: Any, place: str) -> Value:
        if isinstance(given, int | float) and not isinstance(given, bool) and self.low <= given <= self.high:
            if not isinstance(self.low, int):
                return float(given)
            if float(given).is_integer():
                return int(given)
        raise UserError(
            f"{place} must be a number from {self.description}, got {given!r}", key=place, value=given
        )
