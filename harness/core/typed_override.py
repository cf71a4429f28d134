"""An override as it must be typed in a shell, quoted for Hydra's grammar and for the shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

_PLAIN = re.compile(r"[A-Za-z_/%*@?|][\w/%.*@?|+-]*", re.ASCII)
_WORDS = ("true", "false", "null", "nan", "inf")
_KEY = re.compile(r"\w+( \w+)*")


def typed(key: str, value: str | Iterable[str] | None) -> str:
    """`KEY=VALUE` for a shell: `data.extract.group=a`, `'data.extract.drop=[a,"first name"]'`.

    Args:
        key: of a setting.
        value: a text, a list of texts, or None.
    """
    if value is None:
        return f"{key}=null"
    made = _written(value) if isinstance(value, str) else f"[{','.join(map(_written, value))}]"
    return shlex.quote(f"{key}={made}")


def typed_item(key: str, name: str, value: str) -> str:
    """`+KEY.NAME=VALUE`, which sets an item of a mapping.

    Hydra's grammar has no key with a point or a bracket: `KEY: {NAME: VALUE} in a yaml file`.
    """
    if _KEY.fullmatch(name):
        return shlex.quote(f"+{key}.{name}={value}")
    return f"{key}: {{{quoted(name)}: {value}}} in a yaml file"


def quoted(value: str) -> str:
    """A text within quotes, which Hydra's grammar reads as exactly that text."""
    # Hydra reads \" within quotes as a quote, and backslashes before it in pairs.
    escaped = re.sub(r'(\\*)"', lambda marks: f'{marks[1] * 2}\\"', value)
    tail = len(escaped) - len(escaped.rstrip("\\"))
    return f'"{escaped}{escaped[len(escaped) - tail :]}"'


def _written(text: str) -> str:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else quoted(text).replace("${", "\\${")
