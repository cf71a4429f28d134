"""The JSON Schema (draft 7, which editors read) of a yaml value, from the annotation of an argument."""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

PART: dict[str, Any] = {"type": "object"}
"""A mapping with a `_target_`, or settings of one that is chosen elsewhere."""

REFERENCE: dict[str, Any] = {
    "type": "string",
    "pattern": r"^(\$\{|\?\?\?$)",
    "patternErrorMessage": "A text here is ${another.setting} or ???.",
}
"""`${another.setting}` and `???` may stand for any value. The message is a keyword of yaml-language-server,
which shows it instead of the pattern; other validators ignore it."""

_SCALARS: dict[Any, str] = {
    int: "integer",
    float: "number",
    str: "string",
    Path: "string",
    bool: "boolean",
    type(None): "null",
}
_NAMES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true, false",
    "null": "null",
    "array": "a list",
    "object": "a mapping",
}
_LISTS = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable)
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def type_schema(hint: Any, part: Mapping[str, Any] = PART) -> dict[str, Any]:
    """The schema of the values that fit an annotation; {} admits any value.

    Args:
        hint: the annotation, evaluated; `inspect.Parameter.empty` admits any value.
        part: the schema of a value that is a class or a function.
    """
    members = [_member(member, part) for member in _members(hint)]
    return any_of([*members, REFERENCE])


def any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """The schema of values that fit one of several; types without a condition are written as one list."""
    if {} in schemas:
        return {}
    plain = [schema["type"] for schema in schemas if schema.keys() == {"type"}]
    types_of_all = list(dict.fromkeys(name for kind in plain for name in _as_list(kind)))
    rest: list[dict[str, Any]] = []
    for schema in schemas:
        covered = schema == REFERENCE and "string" in types_of_all
        if schema.keys() != {"type"} and schema not in rest and not covered:
            rest.append(schema)
    if types_of_all and rest == [REFERENCE]:
        wanted = ", ".join(_NAMES[name] for name in types_of_all)
        message = f"Give {wanted}, ${{another.setting}} or ???."
        return {**REFERENCE, "type": [*types_of_all, "string"], "patternErrorMessage": message}
    whole = [{"type": types_of_all if len(types_of_all) > 1 else types_of_all[0]}] if types_of_all else []
    return whole[0] if whole and not rest else {"anyOf": [*whole, *rest]}


def _as_list(kind: Any) -> list[str]:
    return kind if isinstance(kind, list) else [kind]


def _members(hint: Any) -> list[Any]:
    """The members of a union; of torch's "float or tensor" the number, because yaml has no tensors."""
    if typing.get_origin(hint) is Annotated:
        return _members(typing.get_args(hint)[0])
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return [hint]
    members = [inner for member in typing.get_args(hint) for inner in _members(member)]
    return [member for member in members if getattr(member, "__name__", "") != "Tensor"] or members


def _member(hint: Any, part: Mapping[str, Any]) -> dict[str, Any]:
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    origin, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in _LISTS:
        return {"type": "array", **_items(origin, arguments, part)}
    if origin in _MAPPINGS:
        values = type_schema(arguments[1], part) if len(arguments) == 2 else {}
        return {"type": "object", **({"additionalProperties": values} if values else {})}
    if origin is collections.abc.Callable or (
        inspect.isclass(origin) and origin not in (object, inspect._empty)
    ):
        return dict(part)
    return {}


def _items(origin: Any, arguments: tuple[Any, ...], part: Mapping[str, Any]) -> dict[str, Any]:
    if not arguments:
        return {}
    if origin is tuple and Ellipsis not in arguments:
        places = [type_schema(argument, part) for argument in arguments]
        return {"items": places, "minItems": len(places), "maxItems": len(places)}
    item = type_schema(arguments[0], part)
    return {"items": item} if item else {}
