"""The keys of the official Optuna sweeper, answered with those of harness."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from harness.core.errors import UserError

OPTUNA_KEYS = {
    "params": "sweep.space.KEY takes values as on the command line, KEY='interval(0,1)'",
    "search_space": "sweep.space.KEY takes values as on the command line, KEY='interval(0,1)'",
    "custom_search_space": "a dependent key is sweep.space.KEY={values: VALUES, when: OTHER=CHOICE}",
    "n_trials": "use sweep.trials=N",
    "n_jobs": "use sweep.workers=N",
    "direction": "use sweep.objectives=maximize, or [minimize,maximize] for several",
    "sampler": "choose +sweep=tpe, gp, cmaes, nsga2, qmc, random or grid",
    "study_name": "use sweep.name=NAME",
    "storage": "use sweep.storage=URL",
    "max_failure_rate": "use sweep.failures=N or sweep.fail_fast=true",
}
"""Key of `hydra.sweeper` -> what to type in its place."""


def refuse_optuna_keys(config: DictConfig) -> None:
    """Refuses the settings of another sweeper.

    Raises:
        UserError: one is set.
    """
    sweeper: Any = OmegaConf.to_container(config.hydra.sweeper, resolve=False)
    for name, value in sweeper.items():
        if value is not None and name not in ("_target_", "_recursive_", "sweep"):
            remedy = OPTUNA_KEYS.get(name, "the settings of a sweep begin with `sweep.`")
            key = f"hydra.sweeper.{name}"
            raise UserError(f"{key} is a setting of another sweeper", remedy, key=key, value=value)
