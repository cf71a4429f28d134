"""Checks whether a value fits an annotation, and describes annotations in messages."""

from __future__ import annotations

import types
import typing
from pathlib import Path
from typing import Any

import typeguard

_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path"}
_PLURALS = {int: "whole numbers", float: "numbers", str: "texts"}
_PART = "a part with a _target_"


def fits(value: Any, hint: Any) -> bool:
    """Whether a yaml value fits the annotation; a list counts as a tuple, a bool not as a number."""
    if isinstance(value, bool) and not _admits_bool(hint):
        return False
    return _is(value, hint) or (isinstance(value, list) and _is(tuple(value), hint))


def _is(value: Any, hint: Any) -> bool:
    try:
        typeguard.check_type(
            value, hint, collection_check_strategy=typeguard.CollectionCheckStrategy.ALL_ITEMS
        )
    except typeguard.TypeCheckError:
        return False
    return True


def _admits_bool(hint: Any) -> bool:
    if hint in (bool, Any, object):
        return True
    if typing.get_origin(hint) is typing.Literal:
        return any(isinstance(value, bool) for value in typing.get_args(hint))
    return any(_admits_bool(member) for member in typing.get_args(hint))


def describe(hint: Any) -> str:
    """An annotation in words: `a number or null`, `one of small, imagenet`, `a list of whole numbers`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is type(None):
        return "null"
    if origin is typing.Literal:
        words = [shown(argument).strip("'") for argument in arguments]
        return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(describe, _without_tensors(arguments))))
    if origin is list:
        return _described_list(arguments[0])
    if origin is tuple and Ellipsis not in arguments:
        return f"[{', '.join(map(describe, arguments))}]"
    if origin is dict or hint is dict:
        return "a mapping"
    return _WORDS.get(hint, _PART)


def _described_list(item: Any) -> str:
    if item is Any:
        return "a list"
    return f"a list of {_PLURALS[item]}" if item in _PLURALS else f"a list, each {describe(item)}"


def _without_tensors(members: tuple[Any, ...]) -> list[Any]:
    """Removes tensor types: torch accepts tensors for many numbers, but yaml has none."""
    return [member for member in members if getattr(member, "__name__", "") != "Tensor"] or list(members)


def shown(value: Any) -> str:
    """Returns a value as it is written in yaml: `null`, `true`, `[1, 2]`; strings in quotes."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {shown(item)}' for key, item in value.items())}}}"
    return repr(value)
