"""The values of a swept key, and how the command line writes them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

Value = str | int | float | bool | None
"""As a study stores it. A number, a truth value or null is itself. Everything else is its text on the command
line: `mlp`, `'a, b'`, `[64,64]`, so that a list and a text that looks like one stay apart."""

Point = dict[str, Value]
"""One point of a search space: value by key, such as `trainer.optimizer.lr`, or group, such as `model`."""

_PLAIN = re.compile(r"[A-Za-z_/][\w/.+*%@?|-]*", re.ASCII)
"""Texts that Hydra reads as themselves without quotes, the words below excepted."""

_MEANT_OTHERWISE = ("true", "false", "null", "inf", "nan")


def value_of(element: Any) -> Value:
    """What Hydra's parser or a yaml file gave, as a value; equal meanings give equal values.

    Raises:
        TypeError: it is none of null, bool, int, float, text, list and mapping.
    """
    if element is None or isinstance(element, bool | int):
        return element
    if isinstance(element, float):
        return element if math.isfinite(element) else str(element)
    return _text(element)


def word(value: Value) -> str:
    """The value as the command line writes it; Hydra reads it back as exactly the same."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _text(element: Any) -> str:
    if isinstance(element, QuotedString):
        return _quoted(element.text)
    if isinstance(element, str):
        return _quoted(element)
    if isinstance(element, list | tuple):
        return f"[{','.join(word(value_of(item)) for item in element)}]"
    if isinstance(element, Mapping):
        return f"{{{','.join(f'{key}:{word(value_of(item))}' for key, item in element.items())}}}"
    raise TypeError(f"a value is null, true or false, a number, a text, a list or a mapping, got {element!r}")


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _MEANT_OTHERWISE:
        return text
    return QuotedString(text, Quote.single).with_quotes()
