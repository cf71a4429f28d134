"""Chooses few points that cover a search space, for the preflight."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from harness.sweep.space.condition_order import ordered, with_ancestors
from harness.sweep.space.dimension import Dimension
from harness.sweep.space.grid_points import grid, size
from harness.sweep.space.swept_value import Point, Value

_TRIES = 10
"""Random points per point that is wanted: small spaces repeat themselves."""


def probes(dimensions: Sequence[Dimension], limit: int, seed: int) -> list[Point]:
    """See `Space.probes`."""
    whole = size(dimensions)
    if whole is not None and whole <= limit:
        return list(grid(dimensions))
    cover = _Cover(dimensions, random.Random(seed))
    points: list[Point] = []

    def add(point: Point) -> None:
        if point not in points:
            points.append(point)

    for combination in _combinations(dimensions, limit // 2):
        add(cover.point(combination))
    while len(points) < limit and (lacking := cover.lacking()):
        add(cover.point(cover.needed(*lacking)))
    for _ in range(_TRIES * limit):
        if len(points) >= limit:
            break
        add(cover.point({}))
    return points[:limit]


def _combinations(dimensions: Sequence[Dimension], most: int) -> list[Point]:
    """The combinations of all groups, with what their conditions rest on; none where they are too many."""
    groups = [dimension.key for dimension in dimensions if dimension.group]
    points = list(itertools.islice(grid(with_ancestors(groups, dimensions)), most + 1)) if groups else []
    return points if len(points) <= most else []


class _Cover:
    """Makes points that show, one after the other, every landmark of every dimension."""

    def __init__(self, dimensions: Sequence[Dimension], chance: random.Random) -> None:
        self._by_key = {dimension.key: dimension for dimension in dimensions}
        self._walk = ordered(dimensions)
        self._chance = chance
        self._missing = {dimension.key: list(dimension.landmarks()) for dimension in dimensions}

    def lacking(self) -> tuple[str, Value] | None:
        """A dimension and a value of it that no point has shown; None once all were."""
        return next(((key, values[0]) for key, values in self._missing.items() if values), None)

    def needed(self, key: str, value: Value) -> Point:
        """What a point must have in order to have this value: the conditions, and theirs."""
        self._missing[key].remove(value)
        point: Point = {key: value}
        waiting = [key]
        while waiting:
            for condition in self._by_key[waiting.pop()].when:
                if not condition.holds(point):
                    point[condition.key] = condition.values[0]
                    waiting.append(condition.key)
        return point

    def point(self, given: Point) -> Point:
        """A point with the given values, and landmarks not seen yet wherever it is free."""
        point: Point = {}
        for dimension in self._walk:
            if not dimension.active(point):
                continue
            missing = self._missing[dimension.key]
            if dimension.key in given:
                value = given[dimension.key]
            else:
                value = missing[0] if missing else dimension.draw(self._chance)
            if value in missing:
                missing.remove(value)
            point[dimension.key] = value
        return {key: point[key] for key in self._by_key if key in point}
