"""The words of a command line -> one configuration."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from omegaconf import DictConfig, ListConfig, OmegaConf

from harness.core.errors import UserError
from harness.runs.sweep_folders import SWEEPS, below, newest, stem
from harness.runtime.user_project import enter, find

_HERE = Path(__file__).resolve().parents[1]
CONF = _HERE / "conf" if (_HERE / "conf").is_dir() else _HERE.parent / "conf"
"""The folder of yaml files: inside the package of a wheel, beside it in a checkout."""


Composer = Callable[[list[str]], DictConfig]

_TEXTS = ("pretrain.words", "data.extract.query", "resume.run")
_BY_KIND = {
    "table": ("mlp", "tabular", "tabular"),
    "image": ("convnet", "image", "image"),
    "sequence": ("transformer", "sequence", "tabular"),
}
"""Model, transform, and the augmentation of a trainer that learns from views."""

_LEARN_FROM_VIEWS = ("ContrastiveTrainer", "SemiSupervisedTrainer")


def compose(overrides: list[str] | None = None) -> DictConfig:
    """The configuration that `python -m harness OVERRIDES` would run, from Python.

    Raises:
        UserError: a group is given no choice, or several.
        hydra.errors.HydraException: a choice or key does not exist.
    """
    words = [as_typed(word) for word in overrides or []]
    return compose_words(words + automatic(words, compose_words))


def as_typed(word: str) -> str:
    """An override whose value is a text in a language of its own, quoted for Hydra's grammar.

    `data.extract.query=select a, b from t` is then what the shell's user meant; a value that is quoted
    already, or null, stays as it is. `resume=RUN` is short for `resume.run=RUN`. What is typed for
    `sweep.space` needs no plus, although its keys are nobody's yet.
    """
    key, equals, value = word.partition("=")
    if key == "sweep.space" or key.startswith("sweep.space."):
        return f"++{word}"
    if key == "resume" and not value.startswith("{"):
        key, word = "resume.run", f"resume.run={value}"
    if key.lstrip("+") not in _TEXTS or value in ("", "null") or value[0] in "'\"":
        return word
    escaped = re.sub(r'(\\*)"', lambda found: f'{found[1] * 2}\\"', value)
    tail = len(escaped) - len(escaped.rstrip("\\"))
    return f'{key}{equals}"{escaped}{escaped[len(escaped) - tail :]}"'


def compose_words(overrides: list[str]) -> DictConfig:
    """Composes exactly these overrides; `auto` stays `auto`."""
    import hydra

    register_resolvers()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3", job_name="harness"):
        return hydra.compose("config", overrides)


def automatic(overrides: list[str], composer: Composer) -> list[str]:
    """The overrides that replace each `auto` group by its choice; a group chosen by name is left alone.

    The choice follows from the kind of the data (`data.extract.kind`) and from the trainer, both of
    which the configuration alone tells. What needs the rows, such as the kind of the target, is
    chosen by the corridor after extraction.
    """
    check_choices(overrides)
    cfg = composer([word for word in overrides if _shapes_the_choice(word)])
    kind = OmegaConf.select(cfg, "data.extract.kind")
    trainer = str(OmegaConf.select(cfg, "trainer._target_")).rsplit(".", 1)[-1]
    model, transform, augment = _BY_KIND.get(kind, _BY_KIND["table"])
    wanted = {
        "model": model,
        "data/transform": transform,
        "data/augment": augment if trainer in _LEARN_FROM_VIEWS else "none",
    }
    return [
        f"{group}={choice}"
        for group, choice in wanted.items()
        if OmegaConf.select(cfg, f"{group.replace('/', '.')}._auto_")
    ]


def check_choices(overrides: list[str]) -> None:
    """Whether every group is given one choice: Hydra loads several over each other without a word.

    Raises:
        UserError: one is not.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    for override in OverridesParser.create().parse_overrides(overrides):
        group = override.key_or_group
        if not group:
            raise UserError(f"the setting {override.input_line!r} lacks a key; write KEY=VALUE.")
        sound = override.is_delete() or override.is_sweep_override() or isinstance(override.value(), str)
        if not sound and is_group(group):
            _refuse_choice(group, override.value())


def _refuse_choice(group: str, value: object) -> NoReturn:
    known = choices(group)
    if not known:
        inside = {path.name for folder in folders() for path in (folder / group).glob("*/")}
        groups = sorted(f"{group}/{name}" for name in inside)
        raise UserError(f"{group} holds groups, each of which takes a choice: {', '.join(groups)}.")
    several = ""
    if isinstance(value, list):
        several = f"; several are runs of their own: -m {group}={','.join(map(str, value))}"
    raise UserError(f"{group} takes one choice by its name: {', '.join(known)}{several}.")


def first_values(overrides: list[str]) -> list[str]:
    """The overrides of a multirun as those of one run: of every list of values, the first.

    A continuous interval is left out: what it stands for is not known yet.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ValueType

    words = []
    for override in OverridesParser.create().parse_overrides(overrides):
        if not override.is_sweep_override():
            words.append(str(override.input_line))
        elif override.value_type is ValueType.GLOB_CHOICE_SWEEP:
            pattern: Any = override.value()
            found = pattern.filter(choices(override.key_or_group))[:1]
            words += [f"{override.get_key_element()}={value}" for value in found]
        elif override.is_discrete_sweep():
            values = itertools.islice(override.sweep_string_iterator(), 1)
            words += [f"{override.get_key_element()}={value}" for value in values]
    return words


def choices(group: str) -> list[str]:
    """The names of the choices of a group such as `data/extract`; empty for no group."""
    return list(yamls(group)) if group else []


def yamls(group: str) -> dict[str, Path]:
    """The files of a group's choices, ours and those of the user's project, in order of name."""
    files = [path for folder in folders() for path in (folder / group).glob("*.yaml")]
    return {path.stem: path for path in sorted(files, key=lambda path: path.stem)}


def is_group(name: str) -> bool:
    """Whether it is a folder of choices, or of groups."""
    return any((folder / name).is_dir() for folder in folders())


def folders() -> list[Path]:
    """Where yaml files lie: our folder, then that of the project in which the command is typed.

    Raises:
        UserError: a file of the project has the name of one of ours, and would not be read.
    """
    project = find()
    if project is None or project.conf is None or project.conf == CONF:
        return [CONF]
    for file in sorted(project.conf.rglob("*.yaml")):
        name = file.relative_to(project.conf)
        if (CONF / name).exists():
            raise UserError(
                f"{file} has the name of a file of harness's own, and would not be read; give it another."
            )
    return [CONF, project.conf]


def _shapes_the_choice(override: str) -> bool:
    """Group choices do, and the data's kind; a value below an `auto` group cannot be composed yet."""
    key = override.partition("=")[0].lstrip("+~")
    return "." not in key or key in ("data.extract.kind", "hydra.searchpath")


def choice(group: str, name: str) -> dict[str, Any]:
    """The plain content of one choice, such as `evaluate`, `regression`."""
    return copy.deepcopy(_content(yamls(group)[name]))


@cache  # a sweep asks again for every trial
def _content(file: Path) -> dict[str, Any]:
    node: Any = OmegaConf.to_container(OmegaConf.load(file))
    return dict(node)


def register_resolvers() -> None:
    """`${token:}`: four letters that keep two runs of one second apart. `${sweep_folder:…}`: see below.

    What is composed next may name classes of the user's project: in whichever process, they can be imported.
    """
    enter()
    OmegaConf.register_new_resolver("token", _token, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("sweep_folder", _sweep_folder, use_cache=True, replace=True)


def _sweep_folder(outputs: str, name: str | None, overrides: ListConfig) -> str:
    """`<name>-<n>`, as far as the folders tell; a sweep that is kept in a database asks there as well."""
    named = stem(name, overrides)
    return f"{named}-{newest(below(Path(outputs) / SWEEPS, named))}"


def _token() -> str:
    import secrets

    return "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(4))
