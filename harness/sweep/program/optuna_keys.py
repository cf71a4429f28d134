"""The keys of the official Optuna sweeper, answered with those of harness."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from harness.core.errors import UserError
from harness.core.name_list import listed

OPTUNA_KEYS = {
    "params": "KEY='interval(0,1)' (in a file sweep.space.KEY)",
    "search_space": "KEY='interval(0,1)' (in a file sweep.space.KEY)",
    "custom_search_space": "sweep.space.KEY={values: VALUES, when: OTHER=CHOICE} for a dependent key",
    "n_trials": "sweep.trials=N",
    "n_jobs": "sweep.workers=N",
    "direction": "sweep.objectives=maximize, or [minimize,maximize] for several",
    "sampler": "+sweep=tpe, gp, cmaes, nsga2, qmc, random or grid",
    "study_name": "sweep.name=NAME",
    "storage": "sweep.storage=URL",
    "max_failure_rate": "sweep.failures=N or sweep.fail_fast=true",
}
"""Key of `hydra.sweeper` -> what to type in its place."""


def refuse_optuna_keys(config: DictConfig) -> None:
    """Refuses the settings of another sweeper, all of them in one sentence.

    Raises:
        UserError: one is set.
    """
    sweeper: Any = OmegaConf.to_container(config.hydra.sweeper, resolve=False)
    own = ("_target_", "_recursive_", "sweep")
    foreign = {name: value for name, value in sweeper.items() if value is not None and name not in own}
    if not foreign:
        return
    keys = [f"hydra.sweeper.{name}" for name in foreign]
    rule = (
        f"{listed(keys, len(keys))} {'is a setting' if len(keys) == 1 else 'are settings'} of another sweeper"
    )
    removal = " ".join(f"~{key}" for key in keys)
    instead = "; ".join(dict.fromkeys(OPTUNA_KEYS[name] for name in foreign if name in OPTUNA_KEYS))
    remedy = f"remove what a file sets with {removal}" + (f", and use {instead}" if instead else "")
    raise UserError(rule, remedy, key=keys[0], value=foreign[keys[0].rpartition(".")[2]])
