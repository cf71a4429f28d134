"""Orders dimensions so that each follows those that its conditions depend on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.sweep.space.dimension import Dimension


def ordered(dimensions: Sequence[Dimension]) -> list[Dimension]:
    """The dimensions in their order, except that each is after those that its conditions depend on.

    Raises:
        ValueError: conditions form a cycle; its message is the keys of the cycle.
    """
    by_key = {dimension.key: dimension for dimension in dimensions}
    done: dict[str, Dimension] = {}

    def visit(dimension: Dimension, path: tuple[str, ...]) -> None:
        if dimension.key in path:
            circle = (*path[path.index(dimension.key) :], dimension.key)
            raise ValueError(" -> ".join(circle))
        for condition in dimension.when:
            if condition.key not in done:
                visit(by_key[condition.key], (*path, dimension.key))
        done.setdefault(dimension.key, dimension)

    for dimension in dimensions:
        visit(dimension, ())
    return list(done.values())


def with_ancestors(keys: Iterable[str], dimensions: Sequence[Dimension]) -> list[Dimension]:
    """The dimensions of these keys and all that their conditions rest on, in the order of `dimensions`."""
    by_key = {dimension.key: dimension for dimension in dimensions}
    ancestors: set[str] = set()
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key not in ancestors:
            ancestors.add(key)
            waiting += [condition.key for condition in by_key[key].when]
    return [dimension for dimension in dimensions if dimension.key in ancestors]
