"""A note where a training has too few steps to learn from random weights."""

from __future__ import annotations

import math

from harness.config.choice_files import choice, choices
from harness.config.finish_config import chosen
from harness.prepare.experiment import Experiment

LEAST_STEPS = 200
"""Fewer steps are reported: 20 epochs of 100 labelled digits are 40, and 300 have the lower log-loss."""

_WANTED_STEPS = 300


def short_training_note(experiment: Experiment) -> str:
    """A sentence with the epochs that are enough; empty where there are enough, or the user chose another
    number of epochs than the default.

    Images and numbers to predict need them. Classes of small tables do not: on wine and heart, 600 steps were
    no better than 40 to 80 (docs/log.md).
    """
    cfg, trainer, loaders = experiment.cfg, experiment.trainer, experiment.loaders
    pretrained = experiment.before is not None or cfg.model.get("weights") is not None
    needy = len(loaders.shape) == 3 or loaders.task.kind == "regression"
    if trainer.learns == "representation" or pretrained or not needy or trainer.budget.steps >= LEAST_STEPS:
        return ""
    limits = [cfg.trainer.get(name) for name in ("steps", "minutes", "patience")]
    if cfg.trainer.get("epochs") != _default_epochs(experiment) or any(limits):
        return ""
    enough = math.ceil(_WANTED_STEPS * trainer.budget.epochs / trainer.budget.steps)
    return (
        f"{trainer.budget.epochs} epochs of {len(loaders.train.rows):,} training rows are "
        f"{trainer.budget.steps} steps, few to learn from random weights; trainer.epochs={enough} takes "
        f"{_WANTED_STEPS}"
    )


def _default_epochs(experiment: Experiment) -> int | None:
    name = chosen(experiment.cfg, "trainer")
    # A class of the user's own has no yaml file of ours.
    return choice("trainer", name).get("epochs") if name in choices("trainer") else None
