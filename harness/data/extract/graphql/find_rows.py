"""Finds the rows in a GraphQL answer, and whether there are more pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.core.errors import UserError
from harness.core.name_list import listed
from harness.core.near_names import near


@dataclass(frozen=True)
class Listing:
    """One page of rows.

    path    its dotted path in the answer
    rows    the objects
    page    the `pageInfo` beside them, or None (Relay's cursor connections specification)
    """

    path: str
    rows: list[Any]
    page: Mapping[str, Any] | None


def locate(data: Mapping[str, Any], path: str | None) -> Listing:
    """The rows of an answer: at `path`, or in the only list of the answer.

    A path may end at a list, or at a connection, an object with `nodes` or `edges`; the `node` of
    each edge is the row.

    Raises:
        UserError: there is no list at the path, no list at all, or several lists.
    """
    if path is None:
        path = _only(data)
    holder: Mapping[str, Any] = {}
    current: Any = data
    for name in path.split("."):
        if not isinstance(current, Mapping) or name not in current:
            raise _refusal(data, path)
        holder, current = current, current[name]
    page = holder.get("pageInfo")
    if connection(current):
        holder, page = current, current.get("pageInfo")
        current = current["edges"] if current.get("nodes") is None else current["nodes"]
    if current is None:
        current = []
    if not isinstance(current, list):
        raise _refusal(data, path)
    rows = [node(element) for element in current]
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise UserError(
                f"data.extract.rows={path} must be a list of objects, and its element {number} is {row!r}",
                "ask for its fields in the query, or name another list",
                key="data.extract.rows",
            )
    return Listing(path, rows, page)


def connection(value: Any) -> bool:
    """Whether an object is a connection: it has a list `edges` or `nodes` with fields about the list."""
    return isinstance(value, Mapping) and any(
        isinstance(value.get(name), list) for name in ("nodes", "edges")
    )


def node(element: Any) -> Any:
    """The node of an edge; anything else unchanged."""
    if isinstance(element, Mapping) and "node" in element and element.keys() <= {"node", "cursor"}:
        return element["node"]
    return element


def _lists(value: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The paths of all outermost lists; a connection counts as a list."""
    for name, inner in value.items():
        place = f"{path}.{name}" if path else name
        if isinstance(inner, list) or connection(inner):
            yield place
        elif isinstance(inner, Mapping):
            yield from _lists(inner, place)


def _only(data: Mapping[str, Any]) -> str:
    lists = list(_lists(data))
    if len(lists) == 1:
        return lists[0]
    if lists:
        raise UserError(
            f"the answer holds several lists, {' and '.join(lists)}",
            f"name the one that holds the rows with data.extract.rows={lists[0]}",
        )
    nothing = [name for name, value in data.items() if value is None]
    if nothing:
        raise UserError(
            f"the answer holds no list: {nothing[0]!r} is null", "correct data.extract.query or its variables"
        )
    raise UserError(
        f"the answer holds no list, only {listed(data, most=10)}", "ask for a list in data.extract.query"
    )


def _refusal(data: Mapping[str, Any], path: str) -> UserError:
    return UserError(
        f"data.extract.rows={path} is no list in the answer",
        f"among those that are, {near(path, _lists(data))}",
        key="data.extract.rows",
    )
