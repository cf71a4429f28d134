"""The choices of `sweep` and `hydra/launcher` that another Hydra program finds, from those of harness."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from harness.config.choice_files import CONF
from harness.runtime.config_nodes import load_config

SETTINGS_OF_RUNS: dict[str, Any] = {
    "repeat": 1,
    "keep": "all",
    "predictions": 0,
    "test": "none",
    "axis": "epochs",
    "prune_by": "auto",
    "extendable": 0,
    "extend": None,
    "ablate": False,
    "until": None,
    "from": None,
}
"""Settings of `sweep` that only runs of harness have, with the value that leaves a program's trials alone.
A program's configuration has them, so that another value is answered, see `program_settings`."""

REMEDIES = {
    "from": "points of an earlier sweep are tried first with 'sweep.enqueue=[{KEY: VALUE}]'",
    "repeat": "sweep its seed, KEY=1,2,3, or let the program return the mean over seeds",
    "extend": "a finished sweep goes on with hydra.sweep.dir=FOLDER and more sweep.trials",
    "extendable": "let the program keep a checkpoint in harness.sweep.folder()",
    "keep": "let the program keep what it needs in harness.sweep.folder()",
    "until": "use sweep.stagnation=N",
}
"""What does for a program what such a setting does for a run."""

_GROUPS = ("sweep", "sweep/sampler", "sweep/pruner", "hydra/launcher")
_OTHERS = ("sweep/wilcoxon", "sweep/pruner/wilcoxon", "hydra/launcher/ray", "hydra/launcher/slurm")
"""Wilcoxon's test compares folds, which a program does not have; Ray and SLURM are plugins of their own."""


NONE = {"none": True}
"""The choice of no sampler or no pruner: a choice of Hydra's is a mapping, wherever it is placed."""


@cache
def default_settings() -> Mapping[str, Any]:
    """The settings of `sweep`, without sampler and pruner, and their defaults."""
    node: Any = OmegaConf.to_container(load_config(CONF / "config.yaml"), resolve=False)
    return {**node["sweep"], **SETTINGS_OF_RUNS}


def is_offered_group(path: str) -> bool:
    """Whether a path such as `sweep` is a group, or leads to one."""
    return any(f"{group}/".startswith(f"{path}/" if path else "") for group in _GROUPS)


def offered(path: str) -> Path | None:
    """The file of a choice such as `sweep/asha`; None where a program does not have it."""
    file = CONF / f"{path}.yaml"
    return file if path.rpartition("/")[0] in _GROUPS and path not in _OTHERS and file.is_file() else None


def inside(path: str) -> tuple[list[str], list[str]]:
    """The names of the groups and of the choices in a group."""
    below = {group.removeprefix(f"{path}/" if path else "") for group in _GROUPS if is_below(group, path)}
    files = sorted((CONF / path).glob("*.yaml"))
    choices = [file.stem for file in files if offered(f"{path}/{file.stem}") is not None]
    return sorted({name.partition("/")[0] for name in below}), choices


def is_below(group: str, path: str) -> bool:
    """Whether a group lies within the folder `path`; "" is the root."""
    return group != path and group.startswith(f"{path}/" if path else "")


def content(path: str) -> tuple[DictConfig, str]:
    """The configuration of a choice and the text of its file; of a sweep, with all its settings."""
    plain, text = _content(path)
    made: DictConfig = OmegaConf.create(plain)
    return made, text


@cache  # Hydra composes anew for each trial
def _content(path: str) -> tuple[dict[str, Any], str]:
    if path.endswith("/none"):
        return NONE, ""
    text = (CONF / f"{path}.yaml").read_text(encoding="utf-8")
    plain: Any = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    if path.rpartition("/")[0] == "sweep":
        plain = {**default_settings(), **plain}
    if path.startswith("hydra/launcher/"):
        plain |= {"workers": 1}  # that of `sweep.workers` is set when the sweep begins
    return _relative(plain, ".."), text


def _relative(node: Any, above: str) -> Any:
    """Makes `${sweep.seed}` of a sampler `${..seed}`: the node of the sweep may lie elsewhere."""
    if isinstance(node, dict):
        return {
            name: _relative(value, f"{above}.") if isinstance(value, dict) else _relative(value, above)
            for name, value in node.items()
        }
    return node.replace("${sweep.", f"${{{above}") if isinstance(node, str) else node
