"""The yaml files of the groups: those of harness, and those of the user's project."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from harness.core.errors import UserError
from harness.core.user_path import user_path
from harness.runtime.config_nodes import load_config
from harness.runtime.user_project import find

_PACKAGE = Path(__file__).resolve().parents[1]
CONF = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf"
"""The folder of yaml files: inside the package of a wheel, beside it in a checkout."""

CONFIG_DIR = "--config-dir"
"""The option, and the name of its folder in Hydra's search path."""

_config_dirs: list[Path] = []
"""The folder of `--config-dir`, during a command that has it."""


def is_own(places: Iterable[str]) -> bool:
    """Whether the places of Hydra's search path are those of harness, and not of another program."""
    return any(place in (f"file://{CONF}", str(CONF)) for place in places)


def choices(group: str) -> list[str]:
    """The names of the choices of a group such as `data/extract`; empty if there is no such group."""
    return list(yamls(group)) if group else []


def yamls(group: str) -> dict[str, Path]:
    """The file of each choice of a group, ours and those of the user's project, sorted by name."""
    files = [path for folder in folders() for path in (folder / group).glob("*.yaml")]
    return {path.stem: path for path in sorted(files, key=lambda path: path.stem)}


def is_group(name: str) -> bool:
    """Whether `name` is a folder of choices, or of groups."""
    return any((folder / name).is_dir() for folder in folders())


def all_groups() -> list[str]:
    """Every group with a choice, such as `model` and `data/extract`, sorted."""
    places = {
        file.parent.relative_to(folder)
        for folder in folders()
        for file in folder.rglob("*.yaml")
        if file.parent != folder
    }
    return sorted(place.as_posix() for place in places)


def subgroups(name: str) -> list[str]:
    """The groups within a folder of groups: `data/extract` and others of `data`."""
    inside = {path.name for folder in folders() for path in (folder / name).glob("*/")}
    return sorted(f"{name}/{group}" for group in inside)


@contextmanager
def config_dir(named: str | None) -> Iterator[None]:
    """Within this context, `--config-dir=named` is one more folder, whose files replace ours.

    Raises:
        UserError: it is no folder.
    """
    if named is None:
        yield
        return
    folder = user_path(named).absolute()
    if not folder.is_dir():
        rule = f"--config-dir={named} is no folder"
        raise UserError(rule, "name one that holds yaml files", key="--config-dir", value=named)
    _config_dirs.append(folder)
    try:
        yield
    finally:
        _config_dirs.pop()


def config_dirs() -> list[Path]:
    """The folder of `--config-dir`; empty in a command without it."""
    return list(_config_dirs)


def folders() -> list[Path]:
    """The folders of yaml files: ours, that of the current folder's project, and that of `--config-dir`.

    Of two files of one name, the last counts.

    Raises:
        UserError: a file of the project has the name of one of ours, and would not be read.
    """
    project = find()
    if project is None or project.conf is None or project.conf == CONF:
        return [CONF, *_config_dirs]
    for file in sorted(project.conf.rglob("*.yaml")):
        # Hydra takes the first file of a name on its search path, which is ours.
        if (CONF / file.relative_to(project.conf)).exists():
            rule = f"{file} has the name of a file of harness's own, and would not be read"
            raise UserError(rule, "give it another", key=str(file))
    return [CONF, project.conf, *_config_dirs]


def choice(group: str, name: str) -> dict[str, Any]:
    """Returns the content of one choice, such as `evaluate`, `regression`, as a plain container."""
    return copy.deepcopy(_content(yamls(group)[name]))


@cache  # every trial of a sweep reads the same few files
def _content(file: Path) -> dict[str, Any]:
    node: Any = OmegaConf.to_container(load_config(file))
    return dict(node)
