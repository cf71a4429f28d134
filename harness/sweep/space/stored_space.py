"""A space in plain values, as a study keeps it, and what changed between two of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.config.earlier_defaults import CHANGED, changed_words
from harness.core.name_list import listed
from harness.runtime.secret_values import Secrets
from harness.sweep.space.dimension import Dimension
from harness.sweep.space.listed_values import Choices
from harness.sweep.space.swept_key import OWN, root
from harness.sweep.space.swept_value import word

_MOST_VALUES = 10

_HOW = (*OWN, "harness")
"""Settings that control how a sweep runs; they may differ when it is resumed."""


def stored(fixed: Sequence[str], dimensions: Sequence[Dimension]) -> dict[str, Any]:
    """See `Space.stored`."""
    secrets = Secrets(None, list(fixed))
    shown = [secrets.text(typed) for typed in fixed if root(typed.partition("=")[0]) not in _HOW]
    return {
        "fixed": shown,
        "dimensions": {dimension.key: _plain(dimension) for dimension in dimensions},
        "defaults": list(CHANGED),
    }


def earlier_defaults(before: Mapping[str, Any], choices: Mapping[str, str]) -> list[str]:
    """Words that choose the defaults with which a sweep began, where those of today would be chosen.

    Args:
        before: the sweep's space, as `stored` gave it.
        choices: of the configuration that all its trials would share today, by group.
    """
    chosen = {*before.get("defaults", ()), *_by_key(before["fixed"]), *before["dimensions"]}
    return [typed for group, typed in changed_words(choices).items() if group not in chosen]


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """See `Space.differences`; both as `stored` gives them."""
    changes: list[str] = []
    old, new = before["dimensions"], now["dimensions"]
    for key in new:
        changes += _changes(key, old[key], new[key]) if key in old else [f"{key} is swept now"]
    changes += [f"{key} is no longer swept" for key in old if key not in new]
    was, is_ = _by_key(before["fixed"]), _by_key(now["fixed"])
    for group, (earlier, _) in CHANGED.items():
        if group not in before.get("defaults", ()) and is_.get(group) == f"{group}={earlier}":
            was.setdefault(group, is_[group])  # not typed then, since it was the default
    for key, typed in is_.items():
        if key not in was:
            changes.append(f"{typed} is new")
        elif was[key] != typed:
            changes.append(f"{was[key]} became {typed}")
    return changes + [f"{typed} is gone" for key, typed in was.items() if key not in is_]


def _plain(dimension: Dimension) -> dict[str, Any]:
    values: Any = list(dimension.choices) if isinstance(dimension, Choices) else dimension.description
    when = [condition.description for condition in dimension.when]
    return {"kind": dimension.kind, "values": values, "when": when}


def _by_key(words: Sequence[str]) -> dict[str, str]:
    """The words by their keys; of one key, the last counts, as in Hydra."""
    return {typed.partition("=")[0].lstrip("+~"): typed for typed in words}


def _changes(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if old["kind"] != new["kind"]:
        yield f"{key} was {old['kind']} {_values(old)}, and is {new['kind']} {_values(new)}"
    elif new["kind"] == Choices.kind:
        yield from _choices(key, list(map(word, old["values"])), list(map(word, new["values"])))
    elif old["values"] != new["values"]:
        yield f"{key} was {old['kind']} {old['values']}, and is {new['values']}"
    if old["when"] != new["when"]:
        yield f"{key} was tried {_when(old)}, and is {_when(new)}"


def _choices(key: str, old: list[str], new: list[str]) -> Iterator[str]:
    gained = [value for value in new if value not in old]
    lost = [value for value in old if value not in new]
    for verb, values in (("gained", gained), ("lost", lost)):
        if values:
            yield f"{key} {verb} the choice{'s' if len(values) > 1 else ''} {listed(values, _MOST_VALUES)}"
    if not gained and not lost and old != new:
        yield f"{key} listed {listed(old, _MOST_VALUES)}, and lists {listed(new, _MOST_VALUES)}"


def _values(plain: Mapping[str, Any]) -> str:
    values = plain["values"]
    return str(values) if isinstance(values, str) else listed(map(word, values), _MOST_VALUES)


def _when(plain: Mapping[str, Any]) -> str:
    return f"when {listed(plain['when'], _MOST_VALUES)}" if plain["when"] else "always"
