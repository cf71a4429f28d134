"""Composes a configuration from the overrides of a command line."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from omegaconf import DictConfig, ListConfig, OmegaConf

from harness.config.auto_choices import choose_parts
from harness.config.choice_files import CONF, folders
from harness.config.overrides import Overrides
from harness.runs.sweep_folders import SWEEPS, below, newest, stem
from harness.runtime.address import register_environment
from harness.runtime.user_project import enter


def compose(overrides: Iterable[str] = ()) -> DictConfig:
    """Returns the configuration that `python -m harness OVERRIDES` would run.

    Raises:
        UserError: a group is given no choice, or several.
        hydra.errors.HydraException: a choice or key does not exist.
    """
    typed = Overrides.parse(overrides)
    return compose_exactly(typed.with_choices(choose_parts(typed, compose_exactly)).texts)


def compose_exactly(overrides: list[str]) -> DictConfig:
    """Composes these overrides and no others; `auto` stays `auto`.

    The same overrides in the same process are composed once, as long as no yaml file changes.
    """
    register_resolvers()
    if any("hydra.searchpath" in text for text in overrides):  # other folders than those in the key
        return _composed.__wrapped__(tuple(overrides), ())
    # A copy, because callers change what they get.
    return copy.deepcopy(_composed(tuple(overrides), _state()))


@lru_cache(maxsize=32)  # Hydra needs 0.15 s, a copy 0.01 s
def _composed(overrides: tuple[str, ...], state: tuple[object, ...]) -> DictConfig:
    import hydra

    with hydra.initialize_config_dir(str(CONF), version_base="1.3", job_name="harness"):
        return hydra.compose("config", list(overrides))


def _state() -> tuple[object, ...]:
    """Returns what a configuration depends on besides the overrides: yaml files and environment variables."""
    files = [path for folder in folders() for path in sorted(folder.rglob("*.yaml"))]
    read = [(path, state.st_mtime_ns, state.st_size) for path in files for state in [path.stat()]]
    return (*read, *sorted(os.environ.items()))


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
