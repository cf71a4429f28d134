"""The search space of a sweep that another command runs, read from its study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    json_to_distribution,
)

from harness.config.overrides import Overrides
from harness.core.override_text import OverrideText
from harness.sweep.space.condition import Condition
from harness.sweep.space.dimension import Dimension
from harness.sweep.space.interval import Interval
from harness.sweep.space.listed_values import Choices
from harness.sweep.space.search_space import Space
from harness.sweep.space.stepped_values import Steps
from harness.sweep.space.swept_value import Value, value_of


def space_from(stored: Mapping[str, Any], distributions: Mapping[str, str]) -> Space:
    """The space of a study, without the overrides that all trials share.

    Args:
        stored: as `Space.stored` gave it.
        distributions: Optuna's, as JSON, by key.
    """
    keys = [key for key in stored["dimensions"] if key in distributions]
    return Space(
        (), tuple(_dimension(key, stored["dimensions"][key]["when"], distributions[key]) for key in keys)
    )


def _dimension(key: str, when: list[str], text: str) -> Dimension:
    conditions = tuple(_condition(description) for description in when)
    drawn = json_to_distribution(text)
    if isinstance(drawn, CategoricalDistribution):
        choices: Any = drawn.choices
        return Choices(key=key, when=conditions, choices=tuple(choices))
    if not isinstance(drawn, FloatDistribution | IntDistribution):
        raise TypeError(f"no dimension has the distribution {drawn}")
    step = drawn.step if isinstance(drawn, FloatDistribution) or drawn.step != 1 else None
    if step is None:
        return Interval(key=key, when=conditions, low=drawn.low, high=drawn.high, log=drawn.log)
    count = round((drawn.high - drawn.low) / step) + 1
    return Steps(key=key, when=conditions, start=drawn.low, step=step, count=count)


def _condition(description: str) -> Condition:
    """A condition from its description, such as `model=mlp,convnet`."""
    split = OverrideText.split(description)
    return Condition(split.key, tuple(_values(f"{split.key}={split.value}")))


def _values(text: str) -> list[Value]:
    (override,) = Overrides.parse([text])
    given: Any = override.value()
    listed = given.list if hasattr(given, "list") else [given]
    return [value_of(value) for value in listed]
