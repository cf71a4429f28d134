"""The overrides of a rerun, and how they change the stored configuration of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import OverrideParseException
from omegaconf import DictConfig, OmegaConf

from harness.config.choice_files import is_group
from harness.config.overrides import Overrides
from harness.core.errors import Unreadable, UserError
from harness.core.near_names import near
from harness.runtime.secret_values import leaves

_FOLDER = "hydra.run.dir"
_RESUME = ("resume.run", "resume.allow", "resume")
_ABOUT = {
    "sweep": "is a setting of sweeps, and a rerun is one run",
    "experiment": "replaces settings all over the configuration, and a rerun keeps the stored one",
    "debug": "replaces settings all over the configuration, and a rerun keeps the stored one",
    "hydra": f"is Hydra's, of which a rerun takes {_FOLDER} alone",
    "outputs": "is where the run lies as well, and is given with --outputs FOLDER",
}


@dataclass(frozen=True)
class Words:
    """The overrides of a rerun by what they do.

    groups  choices, such as `model=mlp`
    values  `KEY=VALUE`, `+KEY=VALUE`, `~KEY`
    folder  the value of `hydra.run.dir`; None: a new folder
    """

    groups: tuple[Override, ...] = ()
    values: tuple[Override, ...] = ()
    folder: str | None = None

    def touched(self) -> Iterator[str]:
        """Yields the keys whose stored value is replaced. A mapping is merged into the stored one."""
        for override in self.groups:
            if override.package is None:
                yield path_of(override)
        for override in self.values:
            value: Any = None if override.is_delete() else override.value()
            if isinstance(value, dict):
                yield from (key for key, _ in leaves(value, override.key_or_group) if value)
            else:
                yield override.key_or_group


def read(words: Sequence[str]) -> Words:
    """Parses overrides in Hydra's grammar.

    Raises:
        UserError: one cannot be parsed, has several values, or is not a setting of this run.
    """
    try:
        parsed = Overrides.parse(words)
        parsed.check_choices()
    except OverrideParseException as error:
        raise Unreadable(error.override) from error
    groups, values, folder = [], [], None
    for override in parsed:
        if override.key_or_group == _FOLDER and not override.is_delete():
            folder = str(override.value())
        elif _is_group(override):
            groups.append(override)
        else:
            values.append(override)
        _check(override)
    if folder is not None and not folder.strip():
        raise UserError(f"{_FOLDER} must not be empty", f"give {_FOLDER}=FOLDER, or leave it out")
    return Words(tuple(groups), tuple(values), folder)


def _check(override: Override) -> None:
    word, key = override.input_line, override.key_or_group
    if override.is_sweep_override():
        raise UserError(f"{word} gives several values, and a rerun is one run", "give one of them")
    first = key.replace("/", ".").partition(".")[0]
    if first in _ABOUT and key != _FOLDER:
        raise UserError(f"{word} {_ABOUT[first]}", "leave it out")
    if _is_group(override) and override.is_delete():
        raise UserError(f"{word} would leave the run without that part", f"choose another with {key}=CHOICE")


def _is_group(override: Override) -> bool:
    """A part that is given as a mapping, `trainer={epochs: 3}`, is values."""
    key = override.key_or_group
    plain = override.is_delete() or not isinstance(override.value(), dict | list)
    return "." not in key and is_group(key) and plain


def path_of(override: Override) -> str:
    """Returns the key of a group's choice in the configuration."""
    return override.key_or_group.replace("/", ".")


def set_values(cfg: DictConfig, overrides: Sequence[Override]) -> None:
    """Applies values as Hydra does, with messages of our own.

    Raises:
        UserError: a key does not exist, or with a plus exists already.
    """
    for override in overrides:
        key = override.key_or_group
        exists = has(cfg, key)
        added = override.is_add() or override.is_force_add()
        if not exists and not added:
            known = [name for name, _ in leaves(OmegaConf.to_container(cfg, resolve=False))]
            adds = "" if override.is_delete() else f" (A new setting has a plus: +{override.input_line}.)"
            raise UserError(f"{key} is no setting of that run", f"{near(key, known)}{adds}", key=key)
        if override.is_delete():
            _delete(cfg, key)
        elif exists and override.is_add() and not isinstance(override.value(), dict | list):
            raise UserError(f"there is a setting {key!r} already", f"change it without a plus: {key}=VALUE")
        else:
            OmegaConf.update(cfg, key, override.value(), merge=True, force_add=True)


def _delete(cfg: DictConfig, key: str) -> None:
    above, _, name = key.rpartition(".")
    node: Any = OmegaConf.select(cfg, above) if above else cfg
    del node[name]


def has(cfg: DictConfig, key: str) -> bool:
    """Whether a key exists, also if its value is null; references are not resolved."""
    node: Any = OmegaConf.to_container(cfg, resolve=False)
    for name in key.split("."):
        if isinstance(node, Mapping) and name in node:
            node = node[name]
        elif isinstance(node, list) and name.isdecimal() and int(name) < len(node):
            node = node[int(name)]
        else:
            return False
    return True


def without(cfg: DictConfig, keys: Sequence[str]) -> DictConfig:
    """A copy that lacks these keys."""
    rest = cfg.copy()
    for key in keys:
        if has(rest, key):
            _delete(rest, key)
    return rest
