"""Each override is parsed once in a process: a command parses the same text up to eight times."""

from __future__ import annotations

import copy
from functools import wraps
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

_MOST = 1000
"""Overrides that are kept."""

_kept: dict[tuple[str, frozenset[str]], Override] = {}
_ours: set[Any] = set()


def install() -> None:
    """Makes Hydra's parser remember what it has read; each caller has a copy of its own.

    The parser is written in Python and needs a millisecond for an override, a copy takes some microseconds.
    Hydra parses in many places of its own, each with this parser, so it is changed where it is defined.
    """
    original: Any = OverridesParser.parse_rule
    if original in _ours:
        return

    @wraps(original)
    def parse_rule(self: OverridesParser, s: str, rule_name: str) -> Any:
        if rule_name != "override":
            return original(self, s, rule_name)
        key = (s, frozenset(self.functions.functions))
        if key not in _kept:
            parsed = original(self, s, rule_name)
            if len(_kept) >= _MOST:
                _kept.clear()
            _kept[key] = parsed
        return copy.deepcopy(_kept[key])

    _ours.add(parse_rule)
    OverridesParser.parse_rule = parse_rule  # type: ignore[method-assign]
