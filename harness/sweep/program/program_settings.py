"""The settings and objectives of a sweep over another program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from harness.core.errors import UserError
from harness.sweep.program.program_choices import NONE, REMEDIES, SETTINGS_OF_RUNS, default_settings
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.sweep_settings import SweepSettings, read_settings

_KEY = "sweep.objectives"
_DIRECTIONS = ("minimize", "maximize")

BELOW_SWEEPER = "hydra.sweeper.sweep"
"""Where the settings are for a program whose configuration is a dataclass, which takes no new key."""


def keys_of_the_sweep(config: DictConfig) -> tuple[str, ...]:
    """The first parts of keys that are not the program's own."""
    return ("sweep", "hydra") if OmegaConf.select(config, BELOW_SWEEPER) is None else ("hydra",)


def sweep_node(config: DictConfig) -> DictConfig:
    """The settings of a composed multirun, with those of a grid where none was chosen.

    Raises:
        UserError: the program has a key `sweep` of its own.
    """
    node: Any = OmegaConf.select(config, BELOW_SWEEPER)
    if node is None:
        node = config.get("sweep")
    if node is None:
        return OmegaConf.create({"sampler": None, "pruner": None, **default_settings()})
    missing = [name for name in default_settings() if not isinstance(node, DictConfig) or name not in node]
    if missing:
        raise UserError(
            f"the program has a setting `sweep` of its own, which has no {missing[0]}",
            f"choose the sweep with +sweep@{BELOW_SWEEPER}=asha, and its settings with "
            f"{BELOW_SWEEPER}.trials=50",
            key="sweep",
        )
    plain: Any = OmegaConf.to_container(node, resolve=True)
    chosen = {name: None if plain.get(name) == NONE else plain.get(name) for name in ("sampler", "pruner")}
    settings: DictConfig = OmegaConf.create(plain | chosen)
    return settings


def program_settings(node: DictConfig) -> SweepSettings:
    """The settings; those that need a run of harness have the value without effect.

    Raises:
        UserError: one of these has another value; as `read_settings`.
    """
    content: dict[str, Any] = {str(name): node[name] for name in node}
    for name, neutral in SETTINGS_OF_RUNS.items():
        if content.get(name, neutral) != neutral:
            raise UserError(
                f"sweep.{name} needs trials that are runs of harness, and those of a program are not",
                REMEDIES.get(name, "leave it out"),
                key=f"sweep.{name}",
                value=content[name],
            )
    return read_settings(OmegaConf.create(content | SETTINGS_OF_RUNS))


def program_objectives(value: str | list[str] | Mapping[str, str] | None) -> tuple[Objective, ...]:
    """The objectives that `sweep.objectives` names.

    A program's score has no fixed name from which the direction would follow, so it is given.

    Args:
        value: "minimize" or "maximize", a list of these, or a mapping from names to these; None: "minimize".

    Raises:
        UserError: it has another form.
    """
    if value is None or value in _DIRECTIONS:
        return (Objective("objective", "maximize" if value == "maximize" else "minimize"),)
    if isinstance(value, list) and value and all(item in _DIRECTIONS for item in value):
        value = {f"objective_{place}": item for place, item in enumerate(value, start=1)}
    if not isinstance(value, Mapping) or not value:
        raise UserError(
            f"{_KEY} must say for each objective whether it is minimised or maximised, got {value!r}",
            f"write {_KEY}=maximize, '{_KEY}=[minimize,maximize]', or '{_KEY}={{accuracy: maximize}}'",
            key=_KEY,
            value=value,
        )
    return tuple(_objective(str(name), direction) for name, direction in value.items())


def _objective(name: str, direction: Any) -> Objective:
    if direction not in _DIRECTIONS:
        raise UserError(
            f"{_KEY}.{name} must be minimize or maximize, got {direction}",
            key=f"{_KEY}.{name}",
            value=direction,
        )
    return Objective(name, "maximize" if direction == "maximize" else "minimize")
