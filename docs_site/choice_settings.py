"""The settings of each choice, read from its yaml file and from the signatures of the parts that it names."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from harness.config.instantiate import parameters_of, target
from harness.config.known_settings import SETTINGS
from harness.config.setting_notes import argument_notes, yaml_notes
from harness.config.typecheck import describe
from harness.core.errors import UserError

_PACKAGE = re.compile(r"#\s*@package\s+(\S+)")
_COMMAND = re.compile(r"python -m harness\b|torchrun ")
_HYDRA = ("defaults", "_target_", "_partial_", "_recursive_", "_convert_", "_args_", "_auto_")


@dataclass(frozen=True)
class Setting:
    """One key that a user can set.

    key      as it is typed, such as `trainer.update.ema`
    values   what it may be, in words; empty if no signature says so
    default  the value of the yaml file
    note     what comment or docstring say; may be empty
    """

    key: str
    values: str
    default: Any
    note: str


@dataclass(frozen=True)
class Choice:
    """One yaml file of a group.

    title     its first comment
    command   the command in its comments; empty if there is none
    text      the rest of its first comment
    part      the name of its class or function; None: it chooses other parts, or changes their settings
    summary   the first paragraph of the docstring of that class
    chooses   group -> choice, of its defaults
    """

    name: str
    title: str
    command: str
    text: str
    part: str | None
    summary: str
    chooses: dict[str, str]
    settings: tuple[Setting, ...]
    file: Path


def read_choice(group: str, file: Path) -> Choice:
    """What a yaml file of the group `group`, such as `trainer/update`, lets a user set."""
    head, package = _head(file)
    content: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=False) or {}
    key = group.replace("/", ".") if package is None else package.removeprefix("_global_")
    commands = [line for line in head[1:] if _COMMAND.match(line)]
    rest = [line for line in head[1:] if line not in commands]
    part = content.get("_target_")
    return Choice(
        name=file.stem,
        title=head[0] if head else "",
        command=commands[0] if commands else "",
        text="\n".join(rest).strip(),
        part=part,
        summary=_summary(part, key) if part else "",
        chooses=dict(_chosen(group, content.get("defaults") or ())),
        settings=tuple(_settings(key, content, yaml_notes(file), "")),
        file=file,
    )


def shown_value(value: Any) -> str:
    """A value as one types it on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{', '.join(map(shown_value, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {shown_value(item)}" for name, item in value.items()) + "}"
    return str(value)


def _head(file: Path) -> tuple[list[str], str | None]:
    """The first comment, line by line, and what a `@package` line names."""
    lines, package = [], None
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        named = _PACKAGE.match(line)
        if named:
            package = named[1]
        else:
            lines.append(line.removeprefix("#").strip())
    return lines, package


def _chosen(group: str, defaults: Any) -> Iterator[tuple[str, str]]:
    for entry in defaults:
        if not isinstance(entry, dict):
            continue
        for name, choice in entry.items():
            words = str(name).split()
            inner = words[-1].partition("@")[0]
            whole = inner.removeprefix("/") if inner.startswith("/") else f"{group}/{inner}"
            yield whole, shown_value(choice)


def _settings(key: str, node: Mapping[str, Any], notes: Mapping[str, str], place: str) -> Iterator[Setting]:
    """Depth first, in the order of the file.

    Args:
        key: the key of the node as it is typed.
        place: its key within the file, with a dot at its end; empty for the whole file.
    """
    hints, described = _signature(node.get("_target_"), key)
    for name, value in node.items():
        if name in _HYDRA and not (name == "_target_" and place):
            continue
        own = f"{key}.{name}".lstrip(".")
        note = notes.get(f"{place}{name}", "") or described.get(str(name), "")
        if isinstance(value, dict) and value:
            if note:
                yield Setting(own, "", "", note)
            yield from _settings(own, value, notes, f"{place}{name}.")
        else:
            hint = hints.get(str(name), SETTINGS.get(own))
            yield Setting(own, "" if hint is None else describe(hint), value, note)


@cache
def _signature(name: str | None, key: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Annotations of a part's arguments, and its docstring's notes; none without the library of the part."""
    if name is None:
        return {}, {}
    try:
        function = target({"_target_": name}, key)
    except UserError:
        return {}, {}
    known = (parameters_of(function) or {}).items()
    hints = {name: each.annotation for name, each in known if each.annotation is not inspect.Parameter.empty}
    return hints, argument_notes(function)


def _summary(name: str, key: str) -> str:
    try:
        text = inspect.getdoc(target({"_target_": name}, key)) or ""
    except UserError:
        return ""
    return " ".join(text.partition("\n\n")[0].split())
