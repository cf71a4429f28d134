"""Keys of overrides in any letters: the lexer of Hydra's grammar knows those of ASCII only."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import wraps
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.errors import HydraException

_OTHER = re.compile(r"[^\x00-\x7f]")
_WRITTEN = re.compile(r"ZqZ([0-9a-f]+)ZqZ")
_QUOTED = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""")


def install() -> None:
    """Makes Hydra's parser read letters of any language in keys, and in mappings and lists.

    Hydra parses overrides in many places of its own, each with this parser, so it is changed where it is
    defined. What Hydra can read is read by it alone, so that no other code in the process sees a difference.
    """
    original = OverridesParser.parse_rule
    if hasattr(original, "__wrapped__"):
        return

    @wraps(original)
    def parse_rule(self: OverridesParser, s: str, rule_name: str) -> Any:
        if s.isascii() or rule_name != "override":
            return original(self, s, rule_name)
        with suppress(HydraException):
            return original(self, s, rule_name)
        override: Override = original(self, _in_ascii(s), rule_name)
        override.input_line = s
        override.key_or_group = _decoded(override.key_or_group)
        override.package = _decoded(override.package)
        if isinstance(override._value, ChoiceSweep):
            override._value.list = _decoded(override._value.list)
        else:
            override._value = _decoded(override._value)
        return override

    OverridesParser.parse_rule = parse_rule  # type: ignore[method-assign]


def _in_ascii(text: str) -> str:
    """The override with other letters written as numbers, except in quotes and in a plain value."""
    key, equals, value = text.partition("=")
    if value.startswith(("{", "[")):
        parts = _QUOTED.split(value)
        parts[::2] = map(_encoded, parts[::2])
        value = "".join(parts)
    return f"{_encoded(key)}{equals}{value}"


def _encoded(text: str) -> str:
    return _OTHER.sub(lambda letter: f"ZqZ{ord(letter[0]):x}ZqZ", text)


def _decoded(value: Any) -> Any:
    if isinstance(value, str):
        return _WRITTEN.sub(lambda number: chr(int(number[1], 16)), value)
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if isinstance(value, dict):
        return {_decoded(name): _decoded(item) for name, item in value.items()}
    return value
