"""Flattens nested objects into rows of plain cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.core.errors import UserError
from harness.core.near_names import near
from harness.data.extract.graphql.find_rows import connection, node

Row = dict[str, Any]

_ABSENT = object()


def flat(nested: Mapping[str, Any], separator: str, explode: str | None) -> Iterator[Row]:
    """The rows of an object: one, or one per element of the list at `explode`.

    A field of an inner object becomes a column, `{"patient": {"age": 31}}` as `patient.age`. Each element
    of the list replaces the list in one row, and all other fields are repeated; an empty list gives no row.
    `__typename` and `pageInfo` are ignored.

    Args:
        separator: the text between the parts of a column name.
        explode: a dotted path within the object.

    Raises:
        UserError: there is another list, the path has no list, or the answer has only the first page of the
            list.
    """
    if explode is None:
        yield _cells(nested, separator)
        return
    elements = _elements(nested, explode)
    for element in elements:
        yield _cells(_replaced(nested, explode.split("."), element), separator)


def _cells(nested: Mapping[str, Any], separator: str) -> Row:
    cells: Row = {}
    _collect(nested, (), separator, cells)
    return cells


def _collect(nested: Mapping[str, Any], path: tuple[str, ...], separator: str, cells: Row) -> None:
    for name, value in nested.items():
        if name in ("__typename", "pageInfo"):
            continue
        place = (*path, name)
        if isinstance(value, list):
            _refuse_list(".".join(path if path and name in ("edges", "nodes") else place))
        if isinstance(value, Mapping):
            _collect(value, place, separator, cells)
            continue
        column = separator.join(place)
        if column in cells:
            raise UserError(
                f"two fields of the answer make the column {column!r}",
                "give one another name in "
                "data.extract.query "
                "(alias: field), or change data.extract.separator",
            )
        cells[column] = value


def _refuse_list(path: str) -> None:
    raise UserError(
        f"the rows hold a list at {path!r}, and a cell holds one value",
        f"make each element a row with data.extract.explode={path}, or leave it out of data.extract.query",
    )


def _elements(nested: Mapping[str, Any], path: str) -> list[Any]:
    value: Any = nested
    for name in path.split("."):
        if value is None:
            return []  # such as the visits of a patient that is missing
        elements = value.get(name, _ABSENT) if isinstance(value, Mapping) else _ABSENT
        if elements is _ABSENT:
            known = (key for key, inner in nested.items() if isinstance(inner, list) or connection(inner))
            raise UserError(
                f"data.extract.explode={path} is nowhere in the rows",
                f"among their lists, {near(path, known)}",
                key="data.extract.explode",
            )
        value = elements
    if connection(value):
        if (value.get("pageInfo") or {}).get("hasNextPage"):
            raise UserError(
                f"data.extract.explode={path} has further pages within a row, and only the rows themselves "
                "are paged",
                "ask for more of its elements at once in data.extract.query",
                key="data.extract.explode",
            )
        value = value["edges"] if value.get("nodes") is None else value["nodes"]
    if value is None:
        return []
    if not isinstance(value, list):
        raise UserError(
            f"data.extract.explode={path} must be a list within a row, and it is {value!r}",
            "leave it out",
            key="data.extract.explode",
        )
    return [node(element) for element in value]


def _replaced(nested: Mapping[str, Any], path: list[str], element: Any) -> Row:
    """The object with the value at `path` replaced, nothing else copied."""
    name, *rest = path
    return {**nested, name: _replaced(nested[name], rest, element) if rest else element}
