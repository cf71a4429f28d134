"""Texts as typed: values that Hydra's grammar refuses, or reads as something else than a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException
from omegaconf import DictConfig, OmegaConf

from harness.config.auto_choices import Composer, choose_parts
from harness.config.home_folders import FOLDERS
from harness.config.overrides import Overrides, chooses, normalised
from harness.config.setting_types import setting_type
from harness.config.typecheck import fits
from harness.core.override_text import OverrideText
from harness.core.typed_override import quoted
from harness.core.user_path import user_path
from harness.runtime.config_nodes import copied

_FUNCTION = re.compile(r"[a-z_]+\(.*\)", re.DOTALL)
"""A value of Hydra's grammar such as `interval(0,1)` and `glob(*)`."""

_HYDRA_KEY = re.compile(r"[\w.$/:-]*")
_ITEM_NAME = re.compile(r"[\w/+.$%*@?| ()\[\]{}:=,-]+")
"""The name of an item of a mapping that Hydra's grammar can write."""

_NESTED = re.compile(r"""("|').*?\1|\[.*?\]|\{.*?\}|\(.*?\)""")
"""A part of a value in quotes or brackets."""

_UNREADABLE = object()
"""The reading of a value that Hydra's grammar refuses, or takes for several."""

_MISSING = object()


def read_overrides(texts: Iterable[str], composer: Composer, many: bool = False) -> Overrides:
    """Parses the overrides of a command line, the value of a text as typed.

    `data.extract.path=größe (1).csv` needs no quotes for Hydra's grammar, and `data.extract.target=2019` is
    a text, because both keys have the type of a text.

    Args:
        composer: as of `choose_parts`; called only where a value may be meant as a text.
        many: a comma outside quotes and brackets separates the values of runs.

    Raises:
        UserError: a group is given several choices.
        hydra.errors.HydraException: a choice does not exist, or an override is not in Hydra's grammar.
    """
    words = [normalised(text) for text in texts]
    return Overrides.parse(texts_quoted(words, lambda: _chosen(words, composer), many))


def texts_quoted(
    texts: Iterable[str], configuration: Callable[[], DictConfig], many: bool = False
) -> list[str]:
    """The overrides, with a text in quotes that Hydra would refuse or misread without.

    Args:
        configuration: gives the parts whose signatures have the types; called at most once.
        many: as of `read_overrides`.
    """
    known = cache(configuration)
    return [_quoted_word(normalised(text), known, many) for text in texts]


def _chosen(words: list[str], composer: Composer) -> DictConfig:
    """The configuration with the parts that the words choose, and without the values they give."""
    choosing = Overrides.parse(word for word in words if chooses(OverrideText.split(word)))
    choosing = choosing.first_values()
    cfg = composer(choosing.with_choices(choose_parts(choosing, composer)).texts)
    targets = [typed for typed in map(OverrideText.split, words) if typed.key.endswith("._target_")]
    if targets:
        cfg = copied(cfg)
        OmegaConf.set_readonly(cfg, False)
    for typed in targets:
        if typed.value:
            OmegaConf.update(cfg, typed.key, typed.value, force_add=True)
    return cfg


def _quoted_word(word: str, configuration: Callable[[], DictConfig], many: bool) -> str:
    typed = OverrideText.split(word)
    if not typed.value or typed.package or typed.sign == "~" or _FUNCTION.fullmatch(typed.value):
        return word
    if typed.key in FOLDERS and typed.value.startswith("~"):
        return f"{word.partition('=')[0]}={quoted(str(user_path(typed.value)))}"
    if not _HYDRA_KEY.fullmatch(typed.key):
        return _within_mapping(typed, configuration()) or word
    values = _split(typed.value) if many else [typed.value]
    readings = [_reading(value) for value in values]
    if all(isinstance(reading, str) for reading in readings):
        return word
    if "." not in typed.key and chooses(typed):
        return word
    hint = _type(typed.key, configuration())
    if hint is None:
        return word
    made = [_quoted(value, reading, hint) for value, reading in zip(values, readings, strict=True)]
    return word if made == values else f"{word.partition('=')[0]}={','.join(made)}"


def _within_mapping(typed: OverrideText, cfg: DictConfig) -> str | None:
    """The override of an item of a mapping, such as a column's type, whose name is in no grammar of a key.

    None: the key lies in no mapping, or its name cannot be written in one either.
    """
    names = typed.key.split(".")
    for end in range(1, len(names)):
        place, name = ".".join(names[:end]), ".".join(names[end:])
        if setting_type(place, cfg) and setting_type(f"{place}.x", cfg) and _ITEM_NAME.fullmatch(name):
            escaped = re.sub(r"[()\[\]{}:=,]", r"\\\g<0>", name)
            value = str(typed.value)
            return f"++{place}={{{escaped}: {_quoted(value, _reading(value), str)}}}"
    return None


def _type(key: str, cfg: DictConfig) -> Any:
    """The type of a setting; None where its values stay as they are."""
    default = None if key.startswith("hydra.") else OmegaConf.select(cfg, key, default=_MISSING)
    if isinstance(default, bool | int | float):
        return None  # a number: its part, which may be slow to import, need not be asked
    # Of a setting that does not exist, the name is the mistake, not the value.
    return setting_type(key, cfg) or (Any if default is _MISSING else None)


def _quoted(value: str, reading: Any, hint: Any) -> str:
    if isinstance(reading, str) or reading is None or value[0] in "'\"":
        return value
    if reading is not _UNREADABLE and fits(reading, hint):
        return value
    if value[0] == "[" and value[-1] == "]" and fits([""], hint):
        items = (item.strip() for item in _split(value[1:-1]))
        return f"[{','.join(_quoted(item, _reading(item), str) for item in items)}]"
    return quoted(value) if fits("", hint) else value


def _reading(value: str) -> Any:
    """What Hydra's grammar makes of a value."""
    try:
        (override,) = OverridesParser.create().parse_overrides([f"key={value}"])
    except OverrideParseException:
        return _UNREADABLE
    if override.is_sweep_override() or value.isspace():
        return _UNREADABLE
    return override.value()


def _split(text: str) -> list[str]:
    """The parts between the commas outside quotes and brackets."""
    hidden = _NESTED.sub(lambda nested: nested[0].replace(",", "\0"), text)
    return [part.strip().replace("\0", ",") for part in hidden.split(",")]
