"""The points of a grid: every combination of listed values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from harness.sweep.space.condition_order import ordered, with_ancestors
from harness.sweep.space.dimension import Dimension
from harness.sweep.space.swept_value import Point


def grid(dimensions: Sequence[Dimension]) -> Iterator[Point]:
    """Every point once, the last key varying fastest; no two differ in an absent dimension alone.

    Raises:
        UserError: a dimension is an interval.
    """
    listed = {dimension.key: dimension.values() for dimension in dimensions}
    walk = ordered(dimensions)
    for values in itertools.product(*listed.values()):
        whole = dict(zip(listed, values, strict=True))
        point: Point = {}
        for dimension in walk:
            if dimension.active(point):
                point[dimension.key] = whole[dimension.key]
        # Of points that differ in absent dimensions only, the one with their first values is kept.
        if all(whole[key] == listed[key][0] for key in listed if key not in point):
            yield {key: point[key] for key in listed if key in point}


def size(dimensions: Sequence[Dimension]) -> int | None:
    """How many points the grid has; None where a dimension is an interval.

    Only what conditions look at is walked through: the rest is multiplied.
    """
    sizes = {dimension.key: dimension.size for dimension in dimensions}
    if None in sizes.values():
        return None
    looked_at = {condition.key for dimension in dimensions for condition in dimension.when}
    parents = with_ancestors(looked_at, dimensions)
    others = [dimension for dimension in dimensions if dimension not in parents]
    return sum(
        math.prod(sizes[dimension.key] or 0 for dimension in others if dimension.active(point))
        for point in grid(parents)
    )
