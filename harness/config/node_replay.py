"""Builds a node again that Hydra has built before in this process.

Hydra looks up and checks every target of a node each time, which takes milliseconds, and each trial of a
sweep needs ten nodes. The checks depend on the targets and their arguments, but not on how large a number is.
So a node that differs from an earlier one in numbers only is built by its constructors directly.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

from omegaconf import MISSING

Lookup = Callable[[Mapping[str, Any], str], Callable[..., Any]]
"""A node and its key -> the class or function that it names."""

_NUMBERS = (bool, int, float)
_ORDINARY = (str, *_NUMBERS, type(None))
_OF_HYDRA = ("_args_", "_convert_", "_recursive_")
"""Keys of a node that change how Hydra builds it; such a node is left to Hydra."""


class ConstructorFailed(Exception):
    """A constructor raised an error.

    Args:
        place: the key of its node.
        cause: what it raised.
    """

    def __init__(self, place: str, cause: Exception) -> None:
        super().__init__(place, cause)
        self.place, self.cause = place, cause


class NodeReplay:
    """Remembers the nodes that Hydra has built.

    Args:
        lookup: returns the target of a node.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._known: set[Hashable] = set()

    def knows(self, outline: Hashable) -> bool:
        return outline is not None and outline in self._known

    def remember(self, outline: Hashable) -> None:
        """Takes a node as built by Hydra; its `outline` is None where it must be left to Hydra."""
        if outline is not None:
            self._known.add(outline)

    def build(self, content: Any, key: str) -> Any:
        """What Hydra would build of a plain node that it has built before; each list and mapping is new.

        Raises:
            ConstructorFailed: a constructor refused a value, or failed.
        """
        if isinstance(content, list):
            return [self.build(value, f"{key}[{position}]") for position, value in enumerate(content)]
        if not isinstance(content, dict):
            return content
        made = {
            name: self.build(value, f"{key}.{name}" if key else name)
            for name, value in content.items()
            if name != "_partial_"
        }
        if "_target_" not in made:
            return made
        target = self._lookup({"_target_": made.pop("_target_")}, key)
        if content.get("_partial_"):
            return partial(target, **made)
        try:
            return target(**made)
        except Exception as error:
            raise ConstructorFailed(key, error) from error


def outline(content: Any) -> Hashable:
    """A plain node without the values of its numbers; None if it must be left to Hydra."""
    try:
        return _outline(content)
    except _LeftToHydra:
        return None


class _LeftToHydra(Exception):
    """A value that Hydra treats in a way of its own."""


def _outline(content: Any) -> Hashable:
    kind = type(content)
    if kind is dict:
        if any(name in content for name in _OF_HYDRA) or not all(type(name) is str for name in content):
            raise _LeftToHydra
        entries = [(name, _outline(value)) for name, value in content.items() if name != "_partial_"]
        return ("mapping", content.get("_partial_", False), *entries)
    if kind is list:
        return ("list", *map(_outline, content))
    if kind not in _ORDINARY or (kind is str and ("${" in content or content == MISSING)):
        raise _LeftToHydra
    if kind in _NUMBERS:
        return ("number", kind.__name__)
    text: str | None = content
    return text
