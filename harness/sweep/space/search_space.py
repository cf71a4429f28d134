"""The search space of a sweep, as one object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import BaseTrial

from harness.core.errors import UserError, refusing
from harness.core.near_names import near
from harness.sweep.space.condition_order import ordered
from harness.sweep.space.covering_points import probes
from harness.sweep.space.dimension import Dimension
from harness.sweep.space.grid_points import grid, size
from harness.sweep.space.stored_space import differences, stored
from harness.sweep.space.swept_value import Point, Value


@dataclass(frozen=True)
class Space:
    """The swept keys, and the words that all trials share: a plain value, which may be pickled.

    fixed       words as typed, those about the sweep itself included
    dimensions  in the order of a grid, the last varying fastest

    Raises:
        ValueError: conditions form a cycle.
    """

    fixed: tuple[str, ...]
    dimensions: tuple[Dimension, ...]

    def __post_init__(self) -> None:
        ordered(self.dimensions)

    @cached_property
    def by_key(self) -> dict[str, Dimension]:
        return {dimension.key: dimension for dimension in self.dimensions}

    @cached_property
    def ordered(self) -> tuple[Dimension, ...]:
        """The dimensions, each behind those that its conditions look at."""
        return tuple(ordered(self.dimensions))

    @cached_property
    def size(self) -> int | None:
        """The number of grid points; None where a dimension is an interval."""
        return size(self.dimensions)

    def grid(self) -> Iterator[Point]:
        """Every point once, the last key varying fastest; no two differ in an absent dimension alone.

        Raises:
            UserError: a dimension is an interval.
        """
        return grid(self.dimensions)

    def suggest(self, trial: BaseTrial) -> Point:
        """The trial's point: as it was enqueued, or else drawn by its sampler; conditions hold."""
        point: Point = {}
        for dimension in self.ordered:
            if dimension.active(point):
                point[dimension.key] = dimension.suggest(trial)
        return self._sorted(point)

    def words(self, point: Mapping[str, Value]) -> list[str]:
        """The overrides that set the swept keys to a point.

        Raises:
            KeyError: the point has a key that is not swept.
        """
        return [self.by_key[key].override(value) for key, value in self._sorted(point).items()]

    def complete(self, point: Mapping[str, Any], place: str) -> Point:
        """A point that the user gave at `place`, such as `sweep.enqueue.0`, as a study stores it.

        What it lacks is left to the sampler.

        Raises:
            UserError: a name or a value is not in the space, or a condition keeps it out.
        """
        completed: Point = {}
        for name, given in point.items():
            key = str(name).lstrip("+")
            if key not in self.by_key:
                raise UserError(f"{place} names {key}, which is not swept", near(key, self.by_key))
            with refusing(f"{place}.{key}"):
                completed[key] = self.by_key[key].read(given, f"{place}.{key}")
        for key in completed:
            for condition in self.by_key[key].when:
                if not condition.holds(completed):
                    raise UserError(
                        f"{place} names {key}, which is there when {condition.description} only",
                        f"add that to the point, or leave {key} out",
                    )
        return self._sorted(completed)

    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distribution of each dimension, those of conditional ones included."""
        return {dimension.key: dimension.distribution() for dimension in self.dimensions}

    def stored(self) -> dict[str, Any]:
        """The space in plain values for JSON, passwords masked: what `differences` compares."""
        return stored(self.fixed, self.dimensions)

    def differences(self, before: Mapping[str, Any]) -> list[str]:
        """What has changed since the space was `before`, a phrase for each; empty: nothing.

        The order of dimensions is no difference, nor are settings of how the sweep runs.
        """
        return differences(before, self.stored())

    def probes(self, limit: int, seed: int) -> list[Point]:
        """At most `limit` points whose check covers the space; the same for the same seed.

        A grid of so many points is given whole. Else come first, where they are few, all combinations of
        groups, then every choice and every end of an interval not met yet, then points at random.
        """
        return probes(self.dimensions, limit, seed)

    def _sorted(self, point: Mapping[str, Value]) -> Point:
        places = {key: place for place, key in enumerate(self.by_key)}
        return dict(sorted(point.items(), key=lambda item: places[item[0]]))
