"""Yaml files of a user's own that hold a list or one value where settings belong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from harness.config.choice_files import folders, yamls
from harness.core.errors import UserError
from harness.core.override_text import OverrideText


def no_settings() -> UserError | None:
    """The error for the first file whose content is one value; None if there is none."""
    files = (file for folder in folders()[1:] for file in sorted(folder.rglob("*.yaml")))
    contents = ((file, _content(file)) for file in files)
    return next((_whole(file, value) for file, value in contents if not isinstance(value, dict | list)), None)


def wrong_shape(overrides: Iterable[str], kinds: Mapping[str, str]) -> UserError | None:
    """The error for a chosen file with a list or one value in place of several settings; None without one.

    Args:
        overrides: of the command.
        kinds: what each setting is in the configuration without these files: "value", "mapping" or "node".
    """
    for file in _chosen(overrides):
        content = _content(file)
        if not isinstance(content, dict):
            return _whole(file, content)
        for key, value in _keys(content, ""):
            if kinds.get(key) in ("mapping", "node") and not isinstance(value, dict | None):
                return UserError(
                    f"{file} gives {key} {_described(value)}, and {key} consists of several settings",
                    f"write each of them on a line below {key}",
                    key=key,
                    value=value,
                )
    return None


def _chosen(overrides: Iterable[str]) -> Iterator[Path]:
    """The files, outside of harness, of the choices that are typed."""
    for override in map(OverrideText.split, overrides):
        file = yamls(override.key).get(override.value or "")
        if file is not None and not file.is_relative_to(folders()[0]):
            yield file


def _content(file: Path) -> Any:
    """What the file holds; {} if that is nothing, or cannot be read."""
    with suppress(OSError, UnicodeDecodeError, yaml.YAMLError):
        return yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    return {}


def _keys(content: dict[Any, Any], place: str) -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        yield f"{place}{name}", value
        if isinstance(value, dict):
            yield from _keys(value, f"{place}{name}.")


def _whole(file: Path, content: Any) -> UserError:
    rule = f"{file} holds {_described(content)}, and a file of settings has lines KEY: VALUE"
    return UserError(rule, "correct it", key=str(file), value=content)


def _described(value: Any) -> str:
    return "a list" if isinstance(value, list) else f"the value {value!r}"
