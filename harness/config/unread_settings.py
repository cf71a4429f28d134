"""Settings that nothing reads, and yaml files that cannot be read: found when a configuration is composed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from harness.config.choice_files import folders, yamls
from harness.config.known_settings import CACHE, PARTS, SETTINGS, SWEEPERS
from harness.config.yaml_shape import no_settings
from harness.core.errors import UserError
from harness.core.near_names import nearest
from harness.runtime.config_nodes import load_config

_WHOLE = frozenset({*PARTS, "debug", "callbacks", "data.cache", *(f"sweep.{name}" for name in SWEEPERS)})
"""Keys with a node of their own, whose content is checked where it is used."""

_REFERENCE = re.compile(r"\$\{\.*([A-Za-z_][\w.]*)\}")
"""An interpolation of another setting, `${a.b}`."""


def refuse_unread(cfg: DictConfig) -> None:
    """Refuses a setting of a composed configuration that nothing reads.

    A setting is read if it is one of harness's own, an argument of a part, or used by an interpolation.

    Args:
        cfg: with Hydra's node.

    Raises:
        UserError: nothing reads a setting; the remedy names similar ones, or what its yaml file lacks.
    """
    plain: Any = OmegaConf.to_container(cfg, resolve=False)
    sweeper = {name for name, value in (plain["hydra"].get("sweeper") or {}).items() if value is not None}
    sweeper -= {"_target_", "_recursive_"}
    if sweeper:
        key = f"hydra.sweeper.{min(sweeper)}"
        remedy = "settings of a sweep begin with sweep., and its values are sweep.space.KEY"
        raise UserError(f"nothing reads the setting {key}{_origin(cfg, key)}", remedy, key=key)
    used = set(_references({name: node for name, node in plain.items() if name != "hydra"}))
    for key in _unread(plain, ""):
        if not any(f"{name}.".startswith(f"{key}.") or name.endswith(f".{key}") for name in used):
            raise _refusal(cfg, key)


@contextmanager
def explaining_yaml() -> Iterator[None]:
    """Within this context, the error for a yaml file that cannot be read names the file and its line.

    Raises:
        UserError: a file is not valid yaml, is not UTF-8, or holds one value.
    """
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        if mark is None:
            raise
        problem = f"line {mark.line + 1}: {error.problem}"
        has_tab = "'\\t'" in str(error.problem)
        remedy = "indent with spaces, not with tabs" if has_tab else "correct that line"
        raise UserError(f"{mark.name} is not valid yaml, {problem}", remedy, key=mark.name) from error
    except UnicodeDecodeError as error:
        for file in (file for folder in folders()[1:] for file in sorted(folder.rglob("*.yaml"))):
            line = _line_that_is_not_utf8(file.read_bytes())
            if line is not None:
                rule = f"{file} is not UTF-8, line {line}"
                raise UserError(rule, "save it in that encoding", key=str(file)) from error
        raise
    except OSError as error:  # OmegaConf raises it for a file of one value
        refusal = no_settings()
        if refusal is None:
            raise
        raise refusal from error


def _line_that_is_not_utf8(content: bytes) -> int | None:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return content.count(b"\n", 0, error.start) + 1
    return None


def _unread(node: dict[str, Any], place: str) -> Iterator[str]:
    """The shortest keys that are neither a setting nor lead to one."""
    for name, value in node.items():
        key = f"{place}{name}"
        if key in SETTINGS or key in _WHOLE or key == "hydra":
            continue
        if not isinstance(value, dict) or not _leads(key):
            yield key
        else:
            yield from _unread(value, f"{key}.")


def _leads(key: str) -> bool:
    return any(known.startswith(f"{key}.") for known in (*SETTINGS, *_WHOLE))


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield from _REFERENCE.findall(node)
    elif isinstance(node, dict):
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _refusal(cfg: DictConfig, key: str) -> UserError:
    top = key.partition(".")[0]
    file = _files(cfg).get(top)
    if file is not None and not _leads(top):  # its content was put below the name of its group
        rule = f"nothing reads what {file} sets"
        remedy = "its first line must be `# @package _global_`, with nothing before it"
        return UserError(rule, remedy, key=top)
    if _leads(key):
        settings = sorted(name for name in (*SETTINGS, *_WHOLE) if name.startswith(f"{key}."))
        rule = f"{key} consists of several settings, and one value replaces all of them"
        return UserError(rule, f"set one of {', '.join(settings)}", key=key)
    known = [*SETTINGS, *_WHOLE, *(f"data.cache.{name}" for name in CACHE)]
    close = nearest(key, {*known, *(name.partition(".")[0] for name in known)})
    remedy = f"did you mean {' or '.join(close)}?" if close else "leave it out"
    return UserError(f"nothing reads the setting {key}{_origin(cfg, key)}", remedy, key=key)


def _files(cfg: DictConfig) -> dict[str, Path]:
    """The yaml file of each group's choice."""
    chosen = {str(group): choice for group, choice in cfg.hydra.runtime.choices.items()}
    files = {
        group: yamls(group).get(str(choice)) for group, choice in chosen.items() if "hydra/" not in group
    }
    return {group: file for group, file in files.items() if file is not None}


def _origin(cfg: DictConfig, key: str) -> str:
    """The file of a choice that sets the key; nothing where it was typed."""
    for file in _files(cfg).values():
        content = load_config(file)
        if isinstance(content, DictConfig) and OmegaConf.select(content, key) is not None:
            return f" of {file}"
    return ""
