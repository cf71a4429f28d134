"""What comments of yaml files and docstrings say about each setting."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

_ARGUMENT = re.compile(r"\s+(\w+)(?: \([^)]*\))?: (\S.*)")
"""A line `name: text` or `name (type): text` below `Args:`."""


def yaml_notes(file: Path) -> dict[str, str]:
    """The comments of a yaml file by dotted key: those above the key, and that at the end of its line.

    The first comment of a file says what the choice is, and belongs to no key.
    """
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    first = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    root = yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    notes = {key: _note(lines, first, node) for key, node in _keys(root, "")}
    return {key: note for key, note in notes.items() if note}


def _keys(node: Any, place: str) -> Iterator[tuple[str, tuple[yaml.Node, yaml.Node]]]:
    if not isinstance(node, yaml.MappingNode):
        return
    for name, value in node.value:
        key = f"{place}{name.value}"
        yield key, (name, value)
        yield from _keys(value, f"{key}.")


def _note(lines: list[str], first: int, entry: tuple[yaml.Node, yaml.Node]) -> str:
    name, value = entry
    row, indent = name.start_mark.line, name.start_mark.column
    above: list[str] = []
    for line in reversed(lines[first:row]):
        if not line.startswith(" " * indent + "#"):
            break
        above.insert(0, line.strip().lstrip("#").strip())
    flow = isinstance(value, yaml.ScalarNode) or value.flow_style
    mark = value.end_mark if flow and value.end_mark.line < len(lines) else name.end_mark
    behind = re.search(r"(?:^|\s)#\s*(.*)", lines[mark.line][mark.column :])
    return " ".join([*above, *([behind[1].strip()] if behind else [])])


def argument_notes(function: Any) -> dict[str, str]:
    """The first line about each argument in the docstring of a class or function, below `Args:`."""
    text = inspect.getdoc(function) or ""
    _, found, behind = text.partition("Args:\n")
    notes: dict[str, str] = {}
    for line in behind.splitlines() if found else ():
        if line and not line.startswith(" "):
            break
        match = _ARGUMENT.fullmatch(line)
        if match is not None:
            notes.setdefault(match[1], match[2])
    return notes
