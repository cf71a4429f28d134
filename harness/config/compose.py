"""Composes a configuration from the overrides of a command line."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from harness.config import kept_yaml
from harness.config.auto_choices import choose_parts
from harness.config.choice_files import CONF, folders
from harness.config.home_folders import expand_home
from harness.config.keeping_loader import KeepingLoader
from harness.config.overrides import Overrides
from harness.config.text_values import read_overrides
from harness.config.unread_settings import explaining_yaml, refuse_unread
from harness.core.errors import UserError
from harness.core.override_text import OverrideText
from harness.runs.sweep_folders import SWEEPS, below, newest, stem
from harness.runtime.address import encode_references, register_environment
from harness.runtime.config_nodes import copied
from harness.runtime.user_project import enter

_VALUE = re.compile(r"(seed|name|\w+(\.\w+)+)=")
"""The text of an override that sets a value: a key with a dot, or one that is a single value."""

_WORD = re.compile(r"\w+")

Places: TypeAlias = tuple[tuple[str, str], ...]
"""Pairs of provider and path, as Hydra's search path holds them."""


def compose(overrides: Iterable[str] = ()) -> DictConfig:
    """Returns the configuration that `python -m harness OVERRIDES` would run.

    Raises:
        UserError: a group is given no choice, or several; nothing reads a setting.
        hydra.errors.HydraException: a choice or key does not exist.
    """
    typed = read_overrides(overrides, compose_to_read)
    cfg = compose_with_hydra(typed.with_choices(choose_parts(typed, compose_to_read)).texts)
    refuse_unread(cfg)
    expand_home(cfg)
    return _without_hydra(cfg)


def compose_exactly(overrides: list[str]) -> DictConfig:
    """Composes these overrides and no others; `auto` stays `auto`."""
    return _without_hydra(compose_with_hydra(overrides))


def compose_to_read(overrides: list[str]) -> DictConfig:
    """As `compose_exactly`, for what is only read: equal overrides give the same object."""
    if any("hydra.searchpath" in text for text in overrides):  # other folders than those in the key
        return compose_exactly(overrides)
    enter()
    return _kept(tuple(overrides), _state(overrides))


@lru_cache(maxsize=32)
def _kept(overrides: tuple[str, ...], state: tuple[object, ...]) -> DictConfig:
    cfg = compose_exactly(list(overrides))
    OmegaConf.set_readonly(cfg, True)
    return cfg


def _without_hydra(cfg: DictConfig) -> DictConfig:
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


def compose_with_hydra(overrides: list[str]) -> DictConfig:
    """As `compose_exactly`, with Hydra's own node.

    Hydra sets values on the composed configuration last of all. What all other overrides give is composed
    once in a process, as long as no yaml file changes.
    """
    parsed = OverridesParser.create().parse_overrides(overrides)
    # Hydra itself refuses a list of values for one run.
    split = not any(override.is_sweep_override() for override in parsed)
    last = effective([str(override.input_line) for override in parsed])
    parsed = [override for override in parsed if str(override.input_line) in last]
    values = [override for override in parsed if split and sets_value(str(override.input_line))]
    others = [str(override.input_line) for override in parsed if override not in values]
    cfg = copied(composed(others))
    set_values(cfg, values)
    _describe(cfg, [override for override in parsed if not override.is_hydra_override()])
    return cfg


def compose_multirun(overrides: Overrides) -> DictConfig:
    """What all runs of a multirun share, with Hydra's own node, as `hydra.main` composes it.

    A key that is swept has its first value, not the default; an interval leaves the default.
    """
    cfg = compose_with_hydra(overrides.first_values().texts)
    _describe(cfg, list(overrides.of_the_task()))
    cfg.hydra.mode = RunMode.MULTIRUN
    cfg.hydra.overrides.hydra.append("hydra.mode=MULTIRUN")  # its jobs are composed with it
    return cfg


def sets_value(text: str) -> bool:
    """Whether an override sets one plain value of the composed configuration, and so chooses nothing."""
    return bool(_VALUE.match(text)) and not text.startswith("hydra.") and "${" not in text


def effective(texts: Sequence[str]) -> list[str]:
    """The overrides without plain values whose key a later override sets in another way.

    Plain values are set after all others; `trainer.epochs=5 ++trainer.epochs=2` still means 2.
    """
    kept: list[str] = []
    replaced: set[str] = set()
    for text in reversed(texts):
        key = OverrideText.split(text).key
        if not sets_value(text):
            replaced.add(key)
        elif key in replaced:
            continue
        kept.append(text)
    return kept[::-1]


def set_values(cfg: DictConfig, overrides: list[Override]) -> None:
    """Sets values on a composed configuration, as Hydra does when it composes.

    Raises:
        hydra.errors.ConfigCompositionException: a key does not exist, or a value does not fit.
    """
    OmegaConf.set_struct(cfg, True)
    try:
        ConfigLoaderImpl._apply_overrides_to_config(overrides, cfg)
    except OmegaConfBaseException as error:
        raise ConfigCompositionException().with_traceback(sys.exc_info()[2]) from error


def composed(overrides: Sequence[str], places: Places | None = None) -> DictConfig:
    """What overrides give that `sets_value` is false of; kept while no yaml file changes, so never changed.

    Args:
        places: Hydra's search path; None: that of a command in the current folder.
    """
    register_resolvers()
    places = places or _places()
    if any("hydra.searchpath" in text for text in overrides):  # other folders than those in the key
        return _composed.__wrapped__(places, tuple(overrides), ())
    return _composed(places, tuple(overrides), _state(overrides, places))


@lru_cache(maxsize=32)  # composing takes 0.05 s, a copy 0.001 s
def _composed(places: Places, overrides: tuple[str, ...], state: tuple[object, ...]) -> DictConfig:
    with _initialized(), explaining_yaml():
        kept_yaml.install()
        loader = _loader(places, state) if state else _loader.__wrapped__(places, state)
        try:
            cfg = loader.load_configuration("config", list(overrides), RunMode.RUN, from_shell=False)
        except TypeError as error:
            if (deleted := _deleted_item(overrides)) is None:
                raise
            raise deleted from error
    encode_references(cfg)  # a value that is set later has none, see `sets_value`
    return cfg


@lru_cache(maxsize=4)
def _loader(places: Places, state: tuple[object, ...]) -> KeepingLoader:
    path = ConfigSearchPathImpl()
    for provider, place in places:
        path.append(provider, place)
    return KeepingLoader(path)


@contextmanager
def _initialized() -> Iterator[ConfigLoader]:
    """Within it Hydra is initialized for a command in the current folder, also where a multirun runs."""
    import hydra

    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3", job_name="harness"):
            yield GlobalHydra.instance().config_loader()
    finally:
        GlobalHydra.instance().hydra = before  # not the same instance as before


def _places() -> Places:
    with _initialized() as loader:
        return places_of(loader)


def places_of(loader: ConfigLoader) -> Places:
    """Where a loader finds yaml files: its search path as pairs of provider and path."""
    path = loader.get_search_path().get_path()
    return tuple((str(entry.provider), str(entry.path)) for entry in path)


def _deleted_item(overrides: Sequence[str]) -> UserError | None:
    """The error for an override that deletes an item of a list, where Hydra has none; None without."""
    keys = (OverrideText.split(text).key for text in overrides if text.startswith("~"))
    for place, _, item in (key.rpartition(".") for key in keys):
        if item.isdigit():
            rule = f"~{place}.{item} deletes an item of a list, which is not possible"
            return UserError(rule, f"give the whole list: '{place}=[A,B]'", key=f"{place}.{item}")
    return None


def _describe(cfg: DictConfig, overrides: list[Override]) -> None:
    """Sets the entries of Hydra's node about the overrides and the current folder."""
    node = cfg.hydra
    node.overrides.task = [override.input_line for override in overrides]
    node.job.override_dirname = get_overrides_dirname(overrides, **node.job.config.override_dirname)
    node.runtime.cwd = os.getcwd()


def _state(overrides: Iterable[str], places: Places = ()) -> tuple[object, ...]:
    """Returns what a composed configuration depends on besides the overrides.

    These are the yaml files, and the environment variables whose names are in them or in the overrides.
    """
    searched = (place.removeprefix("file://") for _, place in places)
    every = dict.fromkeys((*map(str, folders()), *(place for place in searched if "://" not in place)))
    files = [path for folder in every for path in sorted(_yamls_below(folder))]
    read = tuple((path, state.st_mtime_ns, state.st_size) for path in files for state in [os.stat(path)])
    in_files, in_overrides = _words_in(read), set().union(*map(_WORD.findall, overrides))
    names = (name for name in os.environ if name in in_files or name in in_overrides)
    return (*read, *((name, os.environ[name]) for name in sorted(names)))


def _yamls_below(folder: str) -> Iterator[str]:
    """The yaml files of a folder; pathlib would need three times as long for each command."""
    for place, _, names in os.walk(folder):
        yield from (os.path.join(place, name) for name in names if name.endswith(".yaml"))


@lru_cache(maxsize=4)
def _words_in(files: tuple[tuple[str, int, int], ...]) -> frozenset[str]:
    """Every word of the files, each given with its time and size."""
    texts = (Path(path).read_text(errors="replace") for path, *_ in files)
    return frozenset(word for text in texts for word in _WORD.findall(text))


def register_resolvers() -> None:
    """Registers `${token:}`, four letters that keep two runs of one second apart, `${sweep_folder:…}`, and
    `${oc.env:…}` for addresses.

    The configuration that is composed next may name classes of the user's project, so these are made
    importable as well, in whichever process this is.
    """
    enter()
    register_environment()
    OmegaConf.register_new_resolver("token", _token, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("sweep_folder", _sweep_folder, use_cache=True, replace=True)


def _sweep_folder(outputs: str, name: str | None, overrides: ListConfig) -> str:
    """`<name>-<n>`, by the folders alone; a sweep that is kept in a database looks there as well."""
    named = stem(name, overrides)
    return f"{named}-{newest(below(Path(outputs) / SWEEPS, named))}"


def _token() -> str:
    import secrets

    # Without i, l, o, 0 and 1, which are easily confused.
    return "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(4))
