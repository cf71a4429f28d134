"""What an agent may write in overrides and names: nothing that leads out of the folder of its server.

The command line is for a person, whose files and rights it has. An agent of `python -m harness mcp` gets
less: it reads and writes files below one folder, opens no address that it names itself, calls no code but the
parts that yaml files of harness and of the project name, and sees no environment variable. These are rules
about texts, checked before a process is started; they are no sandbox for the code of the project.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from harness.core.errors import UserError
from harness.core.override_text import OverrideText

_WITHHELD = {
    "outputs": "the folder of the runs is that of the server, with the seals of test rows in it",
    "tracking.uri": "where runs are logged is for a person to say",
    "hydra": "settings of Hydra decide where and how commands run",
}
"""Keys that an agent may not set, and why."""

_NAMED = re.compile(r"""(?:^|[\s,{'"])(outputs|tracking\.uri|hydra[\w./]*)['"]?\s*[:=@]""")
"""Such a key within a value, as in `sweep.space` and `pretrain.words`."""

_RESOLVER = re.compile(r"\$\{[^}]*:")
_SEPARATORS = re.compile(r"[\s,;:=\[\]{}()'\"]+")


class OutOfScope(UserError):
    """A word that an agent may not give."""


def check_overrides(words: Sequence[str], folder: Path) -> None:
    """Checks the overrides of a run or sweep.

    Args:
        words: such as `model=mlp`; options and verbs are none.
        folder: absolute; what is named must lie below it.

    Raises:
        OutOfScope: the first word that is no override, or leads out of the folder.
    """
    for word in words:
        override = OverrideText.split(word)
        if not re.match(r"[+~]*[A-Za-z_]", word) or (override.value is None and not word.startswith("~")):
            rule = f"{word!r} is no override"
            raise OutOfScope(rule, "give GROUP=CHOICE or KEY=VALUE", value=word)
        for key in (override.key, override.package):
            _check_key(key or "", word)
        _check_value(override.value or "", override.key, folder)


def check_name(name: str, folder: Path) -> None:
    """Checks the name of a run, sweep, group or score.

    Raises:
        OutOfScope: it is an option, or a path out of the folder.
    """
    if name.startswith("-") or not name.strip():
        raise OutOfScope(f"{name!r} is no name", "give the name of a run, sweep, group or score", value=name)
    _check_value(name, "", folder)


def _check_key(key: str, word: str) -> None:
    if "_target_" in key:
        _refuse_target(key)
    for withheld, reason in _WITHHELD.items():
        if re.match(rf"/?{re.escape(withheld)}(?:$|[./])", key):
            raise OutOfScope(f"an agent may not set {key}: {reason}", f"leave out {word}", key=key)


def _check_value(value: str, key: str, folder: Path) -> None:
    if "_target_" in value:
        _refuse_target(key)
    named = _NAMED.search(value)
    if named is not None and key:
        _check_key(named[1], f"{key}={value}")
    if _RESOLVER.search(value):
        rule = f"an agent may not use a resolver such as the one in {key}={value}"
        raise OutOfScope(
            rule, "write the value itself, or ${KEY} of another setting", key=key or None, value=value
        )
    if "://" in value:
        rule = f"an agent may not name an address, got {value}"
        raise OutOfScope(rule, "name it in a yaml file of the project", key=key or None, value=value)
    for piece in filter(None, _SEPARATORS.split(value)):
        parts = piece.split("/")
        absolute = piece.startswith("/") and not Path(piece).is_relative_to(folder)
        if absolute or ".." in parts or parts[0].startswith("~"):
            rule = f"an agent may name files below {folder} only, got {value}"
            raise OutOfScope(rule, "give a path relative to that folder", key=key or None, value=value)


def _refuse_target(key: str) -> None:
    raise OutOfScope(
        f"an agent may not name a class or function by _target_, as in {key}",
        "choose a part by its group, or write a yaml file in the project",
        key=key or None,
    )
