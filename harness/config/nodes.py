"""Finds the nodes of a plain configuration: its mappings with a `_target_`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def nodes(content: Any) -> Iterator[dict[str, Any]]:
    """Every mapping with a `_target_` in a plain container, an outer one before those within it."""
    if isinstance(content, dict):
        if isinstance(content.get("_target_"), str):
            yield content
        for value in content.values():
            yield from nodes(value)
    elif isinstance(content, list):
        for value in content:
            yield from nodes(value)


def packages(content: Any) -> set[str]:
    """The top-level packages that the parts of a plain container come from."""
    return {node["_target_"].partition(".")[0] for node in nodes(content)}
