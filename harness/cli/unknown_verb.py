"""The error for a first word that is no verb: what another tool calls it, a group, or a near miss."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.errors import UnknownName, UserError
from harness.core.near_names import nearest

_OF_TRAINING = ("fit", "run", "train")
_OF_SWEEPS = ("optimize", "search", "sweep", "tune")
_NAMES_ELSEWHERE = {
    "create": "new",
    "delete": "clean",
    "eval": "evaluate",
    "help": "--help",
    "info": "report",
    "init": "new",
    "kill": "stop",
    "leaderboard": "compare",
    "list": "ls",
    "lint": "check",
    "remove": "clean",
    "rm": "clean",
    "runs": "compare",
    "show": "report",
    "test": "evaluate",
    "validate": "check",
    "version": "--version",
}
"""Commands of other tools -> what follows `python -m harness` here."""

_OF_MANY_GROUPS = ("auto", "default", "none")
"""Names of choices that say nothing of their group."""


def unknown_verb(name: str, verbs: Sequence[str]) -> UserError:
    """The error for `name`, which is none of `verbs`."""
    rule = f"there is no verb {name!r}"
    if name in _OF_TRAINING:
        return UserError(rule, "a training needs none: `python -m harness KEY=VALUE`", value=name)
    if name in _OF_SWEEPS:
        return UserError(rule, "a sweep needs none: `python -m harness -m KEY=VALUE,VALUE`", value=name)
    if name in _NAMES_ELSEWHERE:
        return UserError(rule, f"did you mean {_NAMES_ELSEWHERE[name]}?", value=name)
    meant = _as_override(name)
    if meant:
        return UserError(rule, f"did you mean {' or '.join(meant)}?", value=name)
    if nearest(name, verbs):
        return UnknownName(rule, name, verbs, hint="(A setting is KEY=VALUE.)")
    return UserError(
        rule, "`python -m harness --help` lists the verbs, and a setting is KEY=VALUE", value=name
    )


def _as_override(name: str) -> list[str]:
    """The overrides that `name` may stand for: a group, the last part of a group's name, or a choice."""
    from harness.config.choice_files import all_groups, choices

    groups = all_groups()
    named = [group for group in groups if name in (group, group.rpartition("/")[2])]
    return [f"{group}=CHOICE" for group in named] or [
        f"{group}={name}" for group in groups if name in choices(group) and name not in _OF_MANY_GROUPS
    ]
