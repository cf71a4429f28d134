"""Composes the configuration of a trial, in whichever process it runs."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import setup_globals
from omegaconf import DictConfig, OmegaConf

from harness.config.auto_choices import choose_parts
from harness.config.choice_files import CONFIG_DIR
from harness.config.compose import Places, composed, effective, places_of, set_values, sets_value
from harness.config.home_folders import expand_home
from harness.config.overrides import Overrides, as_texts
from harness.config.unread_settings import refuse_unread
from harness.runtime.address import encode_references
from harness.runtime.config_nodes import copied
from harness.runtime.secret_values import Secrets


@dataclass(frozen=True)
class TrialComposer:
    """Where configuration lies, as Hydra's search path has it. It can be pickled.

    Composing takes Hydra a tenth of a second. The trials of a sweep differ mostly in values, which Hydra sets
    on the composed configuration last of all: what the other words give is composed once.
    """

    places: Places

    @property
    def options(self) -> tuple[str, ...]:
        """The options that a command needs to find the same configuration."""
        given = [path for provider, path in self.places if provider == CONFIG_DIR]
        return tuple(word for path in given for word in (CONFIG_DIR, path.removeprefix("file://")))

    @classmethod
    def of(cls, loader: ConfigLoader) -> TrialComposer:
        return cls(places_of(loader))

    def __call__(self, words: Sequence[str]) -> DictConfig:
        """Composes exactly these words, Hydra's own node included; `auto` stays `auto`."""
        words = effective(words)
        cfg = copied(self._composed(words).whole)
        _set(cfg, words)
        encode_references(cfg)
        return cfg

    def whole(self, words: Sequence[str]) -> list[str]:
        """The words, followed by the choices for `auto`."""
        return [*words, *_automatic(self, tuple(word for word in words if _chooses(word)))]

    def task(self, words: Sequence[str], shared: Collection[str] = ()) -> DictConfig:
        """The configuration of one run, of whole words; Hydra's node becomes that of the process.

        Args:
            shared: the words that all trials have: their values are set once.
        """
        words = effective(words)
        values = _values(words, shared)
        composed = self._composed(words)
        HydraConfig.instance().cfg = composed.hydra
        cfg = copied(_with_values(composed, values))
        _set(cfg, [word for word in words if word not in values])
        OmegaConf.set_struct(cfg, None)
        return cfg

    def secrets(self, words: Sequence[str], shared: Collection[str]) -> Secrets:
        """The secrets of a configuration that `task` makes and of its words; `config` is not the trial's."""
        values = _values(effective(words), shared)
        secrets = _secrets(self._composed(words), values, frozenset(os.environ.items()))
        secrets.learn(word for word in words if word not in values)
        return secrets

    def _composed(self, words: Sequence[str]) -> _Composed:
        return _composed(self.places, tuple(word for word in words if not sets_value(word)))


@dataclass(frozen=True, eq=False)
class _Composed:
    """A composed configuration before its values are set; a copy of it is changed, never itself.

    whole  with Hydra's own node
    task   without it, addresses encoded, references to what no value can set resolved
    hydra  Hydra's own node, as `HydraConfig` holds it; never changed
    """

    whole: DictConfig
    task: DictConfig
    hydra: Any


def _set(cfg: DictConfig, words: Sequence[str]) -> None:
    set_values(cfg, [_parsed(word) for word in words if sets_value(word)])


def _values(words: Sequence[str], shared: Collection[str]) -> tuple[str, ...]:
    """The words that set a value and that all trials have."""
    return tuple(word for word in words if sets_value(word) and word in shared)


@lru_cache(maxsize=16)
def _secrets(composed: _Composed, words: tuple[str, ...], environment: frozenset[tuple[str, str]]) -> Secrets:
    return Secrets(_with_values(composed, words), list(words))


@lru_cache(maxsize=64)
def _with_values(composed: _Composed, words: tuple[str, ...]) -> DictConfig:
    cfg = copied(composed.task)
    _set(cfg, words)
    return cfg


@lru_cache(maxsize=1024)  # most values are those of all trials
def _parsed(word: str) -> Override:
    key, _, text = word.partition("=")
    if not _NUMBER.match(text):
        return OverridesParser.create().parse_override(word)
    # Hydra's parser takes a millisecond; the swept words of a key differ in the number only.
    value = int(text) if text.lstrip("-").isdigit() else float(text)
    return replace(_parsed_key(key), _value=value, input_line=word)


@lru_cache(maxsize=256)
def _parsed_key(key: str) -> Override:
    return OverridesParser.create().parse_override(f"{key}=0")


_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[-+]?[0-9]+)?\Z")


def _chooses(word: str) -> bool:
    """Whether the choice of a group may follow from the word."""
    return not sets_value(word) or word.startswith("data.extract.kind=")


@lru_cache(maxsize=64)
def _automatic(composer: TrialComposer, words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(as_texts(choose_parts(Overrides.parse(words), composer)))


@lru_cache(maxsize=64)
def _composed(places: Places, words: tuple[str, ...]) -> _Composed:
    setup_globals()
    cfg = copied(composed(words, places))
    refuse_unread(cfg)
    expand_home(cfg)
    whole = copied(cfg)
    task = copied(cfg)
    OmegaConf.set_struct(task, None)
    del task["hydra"]
    _resolve_below(task, OmegaConf.to_container(task, resolve=False))
    return _Composed(whole, task, _hydra_node(cfg))


def _resolve_below(node: Any, plain: Any) -> None:
    """Resolves references such as `${outputs}`, in place: each trial would resolve them several times."""
    entries = plain.items() if isinstance(plain, dict) else enumerate(plain)
    for key, value in entries:
        if isinstance(value, dict | list):
            _resolve_below(node[key], value)
        elif isinstance(value, str) and "${" in value and not _REFERENCE.sub("", value).count("${"):
            node[key] = node[key]


_REFERENCE = re.compile(r"\$\{(?!seed\}|name\})\w+\}")
"""To a key that `sets_value` does not set."""


def _hydra_node(cfg: DictConfig) -> Any:
    """Hydra's node as `HydraConfig` holds it."""
    config = HydraConfig.instance()
    before = config.cfg
    try:
        config.set_config(cfg)
        node: Any = config.cfg
    finally:
        config.cfg = before
    return node
