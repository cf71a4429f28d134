"""A dimension of listed values."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.trial import BaseTrial

from harness.core.errors import UserError
from harness.core.near_names import near
from harness.sweep.space.dimension import Dimension
from harness.sweep.space.swept_value import Value, value_of, word


@dataclass(frozen=True, kw_only=True)
class Choices(Dimension):
    """Values by name, in the order of a grid; no two of them are equal."""

    kind = "choices"
    choices: tuple[Value, ...]

    @property
    def size(self) -> int:
        return len(self.choices)

    def values(self) -> Sequence[Value]:
        return self.choices

    def landmarks(self) -> Sequence[Value]:
        return self.choices

    @property
    def description(self) -> str:
        return ", ".join(map(word, self.choices))

    def distribution(self) -> CategoricalDistribution:
        return CategoricalDistribution(self.choices)

    def suggest(self, trial: BaseTrial) -> Value:
        return trial.suggest_categorical(self.key, self.choices)

    def draw(self, chance: random.Random) -> Value:
        return chance.choice(self.choices)

    def read(self, given: Any, place: str) -> Value:
        # A text may be what it says, or what the study stores for a list: "[64,64]".
        for value in (value_of(given), given):
            for choice in self.choices:
                if choice == value and isinstance(choice, bool) == isinstance(value, bool):
                    return choice
        shown = word(value_of(given))
        raise UserError(f"{place} has no choice {shown}", near(shown, map(word, self.choices)))
