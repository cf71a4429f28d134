"""The base class of dimensions: a swept key and its values."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from optuna.distributions import BaseDistribution
from optuna.trial import BaseTrial

from harness.sweep.space.condition import Condition
from harness.sweep.space.swept_value import Value, word


@dataclass(frozen=True, kw_only=True)
class Dimension(ABC):
    """A key and what it can be set to.

    key    a key or a group, with its package if it has one; the parameter's name in the study
    plus   what the command line puts before the key: "", "+" or "++"
    group  whether the key is a config group
    when   all of these must hold for the dimension to be there
    """

    kind: ClassVar[str]
    key: str
    plus: str = ""
    group: bool = False
    when: tuple[Condition, ...] = ()

    @property
    @abstractmethod
    def size(self) -> int | None:
        """How many values a grid lists; None for an interval, which has no grid."""

    @abstractmethod
    def values(self) -> Sequence[Value]:
        """The values in the order of a grid.

        Raises:
            UserError: of an interval.
        """

    @abstractmethod
    def landmarks(self) -> Sequence[Value]:
        """Representative values: every choice, the ends of a range or an interval."""

    @property
    @abstractmethod
    def description(self) -> str:
        """The values for a reader, exactly: equal words mean equal values in equal order."""

    @abstractmethod
    def distribution(self) -> BaseDistribution: ...

    @abstractmethod
    def suggest(self, trial: BaseTrial) -> Value:
        """The trial's value, drawn by its sampler unless it has one already."""

    @abstractmethod
    def draw(self, chance: random.Random) -> Value: ...

    @abstractmethod
    def read(self, given: Any, place: str) -> Value:
        """A value that the user gave at `place`, as this dimension stores it.

        Raises:
            UserError: it is not among the dimension's values.
        """

    def active(self, point: Mapping[str, Value]) -> bool:
        """Whether the dimension is part of a point that has these values."""
        return all(condition.holds(point) for condition in self.when)

    def override(self, value: Value) -> str:
        """The word of the command line that sets the key to a value."""
        return f"{self.plus}{self.key}={word(value)}"
