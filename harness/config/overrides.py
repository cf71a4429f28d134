"""The overrides of a command line: normalised and parsed once, then passed on as `Overrides`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType

from harness.config import any_letters, kept_overrides
from harness.config.choice_files import CONF, choices, is_group, subgroups
from harness.core.errors import UnknownChoice, UserError
from harness.core.override_text import OverrideText
from harness.core.typed_override import quoted

any_letters.install()
kept_overrides.install()

_TEXTS = ("pretrain.words", "data.extract.query", "resume.run")
"""Settings whose value is a text in a language of its own, such as SQL or a shell's."""

_CHOOSING_VALUES = ("data.extract.kind", "hydra.searchpath")
"""Values, among the choices of groups, on which the choice of a part can depend."""


@dataclass(frozen=True)
class Overrides:
    """Overrides in the order in which they were typed, each as Hydra parsed it.

    An override's `input_line` is its text, its `key_or_group` the key without sign and package.
    """

    parsed: tuple[Override, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Overrides:
        """Normalises and parses texts such as `trainer.epochs=3`, `+tags.a=1`, `model=mlp,convnet`.

        Raises:
            hydra.errors.OverrideParseException: one is not in Hydra's grammar.
        """
        return cls(tuple(OverridesParser.create().parse_overrides([normalised(text) for text in texts])))

    def __iter__(self) -> Iterator[Override]:
        return iter(self.parsed)

    @property
    def texts(self) -> list[str]:
        """As Hydra takes them."""
        return [str(override.input_line) for override in self]

    def where(self, wanted: Any) -> Overrides:
        """Those for which a function of an `Override` is true."""
        return Overrides(tuple(override for override in self if wanted(override)))

    def without(self, *keys: str) -> Overrides:
        """Those of other keys and groups."""
        return self.where(lambda override: override.key_or_group not in keys)

    def of_the_task(self) -> Overrides:
        """Those that are not Hydra's own, such as `hydra.run.dir=FOLDER`."""
        return self.where(lambda override: not override.is_hydra_override())

    def choosing(self) -> Overrides:
        """Those on which a choice of `auto` can depend.

        A value below an `auto` group cannot be composed before the choice is made.
        """
        return self.where(lambda override: chooses(OverrideText.split(str(override.input_line))))

    def with_choices(self, chosen: Mapping[str, str]) -> Overrides:
        """These, then one choice for each group."""
        return Overrides((*self.parsed, *Overrides.parse(as_texts(chosen)).parsed))

    def first_values(self) -> Overrides:
        """The overrides of one run of a multirun: of every list of values, the first.

        A continuous interval is left out, because its values are not chosen yet.
        """
        return Overrides.parse(text for override in self for text in _first_value(override))

    def check_choices(self) -> None:
        """Checks that every group is given one choice: Hydra would merge several without a message.

        A choice is a name: by a path, such as `../../FILE`, Hydra would read any yaml file.

        Raises:
            UserError: one is not.
        """
        for override in self:
            group = override.key_or_group
            if not group:
                raise UserError(f"the setting {override.input_line!r} lacks a key", "write KEY=VALUE")
            by_name = (
                override.is_delete() or override.is_sweep_override() or isinstance(override.value(), str)
            )
            if not is_group(group) or override.is_delete():
                continue
            if not by_name:
                _refuse_choice(group, override.value())
            for name in _names(override):
                if not all(part.strip(".") for part in name.strip("'\"").split("/")):
                    raise UnknownChoice(group, name, choices(group))


def as_texts(chosen: Mapping[str, str]) -> list[str]:
    """`GROUP=CHOICE` of each."""
    return [f"{group}={choice}" for group, choice in chosen.items()]


_BELOW_AUTO = ("model/", "data/transform/", "data/augment/")
"""Groups below a part that may be `auto`: they exist once it is chosen, and no choice depends on them."""


def chooses(text: OverrideText) -> bool:
    """Whether a choice of `auto` can depend on an override."""
    if text.key.startswith(_BELOW_AUTO):
        return False
    name = f"{text.key}@{text.package}" if text.package else text.key
    return ("." not in name and name not in _plain_settings()) or name in _CHOOSING_VALUES


def name_of(override: Override) -> str:
    """The key or group with its package, without the sign before it."""
    return override.get_key_element().lstrip("+~")


def normalised(text: str) -> str:
    """The text of an override as Hydra's grammar needs it; normalising twice changes nothing.

    `data.extract.query=select a, b from t` is quoted; a value that is quoted already, or null, stays as it
    is. `resume=RUN` is short for `resume.run=RUN`. The keys of `sweep.space` do not exist in any yaml, so
    Hydra wants a plus before them.
    """
    key, equals, value = text.partition("=")
    if key == "sweep.space" or key.startswith("sweep.space."):
        return f"++{text}"
    if key == "resume" and not value.startswith("{"):
        key, text = "resume.run", f"resume.run={value}"
    if key.lstrip("+") not in _TEXTS or value in ("", "null") or value[0] in "'\"":
        return text
    return f"{key}{equals}{quoted(value)}"


@cache
def _plain_settings() -> frozenset[str]:
    """The settings of conf/config.yaml that are a single value, such as `seed` and `outputs`."""
    config = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))
    return frozenset(key for key, value in config.items() if not isinstance(value, dict | list))


def _first_value(override: Override) -> Iterator[str]:
    key = override.get_key_element()
    if not override.is_sweep_override():
        yield str(override.input_line)
    elif override.value_type is ValueType.GLOB_CHOICE_SWEEP:
        pattern: Any = override.value()
        yield from (f"{key}={value}" for value in pattern.filter(choices(override.key_or_group))[:1])
    elif override.is_discrete_sweep():
        yield from (f"{key}={value}" for value in itertools.islice(override.sweep_string_iterator(), 1))


def _names(override: Override) -> Iterator[str]:
    """The choices that an override names."""
    if override.value_type is ValueType.GLOB_CHOICE_SWEEP:
        return
    if override.is_discrete_sweep():
        yield from override.sweep_string_iterator()
    elif not override.is_sweep_override():
        yield str(override.value())


def _refuse_choice(group: str, value: object) -> NoReturn:
    known = ", ".join(choices(group))
    if not known:
        inside = ", ".join(subgroups(group))
        raise UserError(f"{group} holds groups, each of which takes a choice: {inside}", key=group)
    several = ""
    if isinstance(value, list):
        several = f"several are runs of their own: -m {group}={','.join(map(str, value))}"
    raise UserError(f"{group} takes one choice by its name: {known}", several, key=group, value=value)
