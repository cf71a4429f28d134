"""Choices of groups that were the default in an earlier version: what began with one goes on with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.config.choice_files import CONF
from harness.runtime.config_nodes import load_plain
from harness.runtime.secret_values import leaves

CHANGED = {"data/transform/numeric": ("standard", "bounded")}
"""The earlier default and that of today, by group. Their results differ, so none takes the other's place."""


def earlier_words(settings: Mapping[str, str], changed: Mapping[str, Any]) -> dict[str, str]:
    """Words that choose the earlier default of each group of which a setting has changed since.

    Args:
        settings: of a run, as text by dotted key.
        changed: those that differ today, by dotted key.

    Returns:
        The key below which all differences are explained so -> the word.
    """
    words = {}
    for group, (earlier, _) in CHANGED.items():
        key = group.replace("/", ".")
        begun = {name: text for name, text in settings.items() if name.startswith(f"{key}.")}
        if any(name.startswith(f"{key}.") for name in changed) and begun == _texts(group, earlier):
            words[key] = f"{group}={earlier}"
    return words


def changed_words(choices: Mapping[str, str]) -> dict[str, str]:
    """Words that choose the earlier default of each group that has today's, by group.

    Args:
        choices: of a configuration, by group.
    """
    return {
        group: f"{group}={earlier}"
        for group, (earlier, today) in CHANGED.items()
        if choices.get(group) == today
    }


def _texts(group: str, choice: str) -> dict[str, str]:
    """The settings of a choice, as text by dotted key, as a run stores them."""
    package, _, _ = group.rpartition("/")
    content = load_plain(CONF / group / f"{choice}.yaml")
    return {name: str(value) for name, value in leaves(content, package.replace("/", "."))}
