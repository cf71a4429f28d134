"""The points between two points of a space, on a path that changes one key after the other."""

from __future__ import annotations

from collections.abc import Sequence

from harness.sweep.space.search_space import Space
from harness.sweep.space.swept_value import Point


def ablation_path(space: Space, start: Point, end: Point, order: Sequence[str]) -> list[Point]:
    """The path, both ends included: each point has the value of the end in one more key.

    A key that is there under a condition only comes with the key of its condition, and goes with it. Where a
    point would need a key that neither end has, the next key is changed at the same time.

    Args:
        start: with a value for each key that its conditions admit.
        end: likewise.
        order: keys, those to change first first; others follow in the order of the space.
    """
    places = {key: place for place, key in enumerate(order)}
    keys = sorted(
        (dimension.key for dimension in space.ordered),
        key=lambda key: places.get(key, len(places)),
    )
    path, taken = [start], set[str]()
    for key in keys:
        if key in start and start[key] == end.get(key, start[key]):
            continue
        taken.add(key)
        point = _between(space, start, end, taken)
        if point is not None and point != path[-1]:
            path.append(point)
    return path if path[-1] == end else [*path, end]


def _between(space: Space, start: Point, end: Point, taken: set[str]) -> Point | None:
    """The point with the keys `taken` from the end; None where neither end has a key that it needs."""
    point: Point = {}
    for dimension in space.ordered:
        key = dimension.key
        if not dimension.active(point):
            continue
        first, second = (end, start) if key in taken else (start, end)
        if key not in first and key not in second:
            return None
        point[key] = first[key] if key in first else second[key]
    return point
