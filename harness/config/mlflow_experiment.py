"""The experiment in MLflow where `tracking.experiment=auto`."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from harness.runtime import mlflow_environment
from harness.runtime.redact import mask_urls

KEY = "tracking.experiment"
_LONGEST = 250


def choose_experiment(cfg: DictConfig, data_set: str) -> dict[str, str]:
    """Replaces `auto` in place: that of MLflow's environment variables, else one for each data set.

    MLflow compares the runs of an experiment, and scores of different data sets cannot be compared.

    Returns:
        The choice by its key; {} where nothing was to be chosen.
    """
    if OmegaConf.select(cfg, KEY) != "auto":
        return {}
    experiment = mlflow_environment.experiment() or mask_urls(data_set)[:_LONGEST]
    OmegaConf.update(cfg, KEY, experiment)
    return {KEY: experiment}
