"""Leaves out work that Hydra repeats, or whose result nothing reads, while it composes.

A command composes two or three times from mostly the same files; each is parsed once in a process.
"""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any

from hydra._internal import defaults_list
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import DictConfig, OmegaConf, base

from harness.runtime.config_nodes import copied, load_config

_MOST = 1000
"""Files that are kept; harness has some 250."""

_SETTLED = 2_000_000_000
"""Nanoseconds after which a further change has another time stamp on every file system."""

_kept: dict[tuple[object, ...], ConfigResult] = {}


def install() -> None:
    """Makes Hydra take a file that it has read before, and that did not change, from memory.

    PyYAML's parser, which is written in Python, takes a third of the time of composing. What is kept is never
    given out itself: each caller has a copy. Hydra imports its own classes anew when it looks for plugins, so
    this is called before each composition.
    """
    if not hasattr(defaults_list._create_interpolation_map, "__wrapped__"):
        known: Any = _where_referred_to(defaults_list._create_interpolation_map)
        defaults_list._create_interpolation_map = known
    nodes: Any = base
    if not hasattr(nodes.parse, "__wrapped__"):
        # A reference such as `${outputs}` is parsed, in Python, each time that its value is looked at.
        nodes.parse = lru_cache(maxsize=_MOST)(nodes.parse)
    if not hasattr(CachingConfigRepository.__init__, "__wrapped__"):
        repository: Any = CachingConfigRepository
        repository.__init__ = _sharing_sources(repository.__init__)
    Plugins.instance()
    for scheme in ("file", "pkg"):
        source: Any = SourcesRegistry.instance().resolve(scheme)
        if not hasattr(source.load_config, "__wrapped__"):
            source.load_config = _keeping(source.load_config)


def _sharing_sources(original: Any) -> Any:
    """Hydra copies all configurations that its plugins have registered, 200 times for `--help`.

    It does so to replace the list of sources, for which a copy of the object that has the list suffices.
    """

    @wraps(original)
    def made(self: Any, delegate: Any) -> None:
        original(self, None)
        self.delegate = copy.copy(delegate)

    return made


def _where_referred_to(original: Any) -> Any:
    """The choices known so far as a configuration, made only if the list of defaults has a reference.

    Hydra makes one for each of some 35 files, a quarter of the time of composing.
    """
    none = OmegaConf.create()

    @wraps(original)
    def known_choices(overrides: Any, defaults: Any, self_added: bool) -> Any:
        if any(default.is_interpolation() for default in defaults):
            return original(overrides, defaults, self_added)
        return none

    return known_choices


def _keeping(original: Any) -> Any:
    @wraps(original)
    def load_config(self: ConfigSource, config_path: str) -> ConfigResult:
        key = _state(self, config_path)
        if key is None:
            return original(self, config_path)  # type: ignore[no-any-return]
        if key not in _kept:
            loaded = _read(self, config_path) or original(self, config_path)
            if not isinstance(loaded.config, DictConfig):
                return loaded
            if len(_kept) >= _MOST:
                _kept.clear()
            _kept[key] = loaded
        kept = _kept[key]
        assert isinstance(kept.config, DictConfig)
        return replace(kept, config=copied(kept.config), header=dict(kept.header))

    return load_config


def _read(source: ConfigSource, config_path: str) -> ConfigResult | None:
    """As Hydra reads a file, in a third of its time; None where only Hydra can."""
    if source.scheme() != "file":
        return None
    path = _file(source, config_path)
    with path.open(encoding="utf-8") as file:
        header = ConfigSource._get_header_dict(file.read(512))
    return ConfigResult(
        config=load_config(path), path=f"file://{source.path}", provider=source.provider, header=header
    )


def _file(source: ConfigSource, config_path: str) -> Path:
    return Path(source.path, config_path if config_path.endswith(".yaml") else f"{config_path}.yaml")


def _state(source: ConfigSource, config_path: str) -> tuple[object, ...] | None:
    """What the content of a file follows from; None: it cannot be known, or there is no such file."""
    name = (type(source), source.provider, source.path, config_path)
    if source.scheme() == "pkg":
        return name if source.path.startswith("hydra.") else None  # Hydra's own
    try:
        state = _file(source, config_path).stat()
    except OSError:
        return None
    if time.time_ns() - state.st_mtime_ns < _SETTLED:
        return None
    return *name, state.st_ino, state.st_mtime_ns, state.st_size
