"""The choices that replace `auto`, by the configuration and by the rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig, OmegaConf

from harness.config.overrides import Overrides
from harness.runtime.config_nodes import copied

Composer = Callable[[list[str]], DictConfig]
"""Composes exactly the overrides that it is given."""

_BY_KIND = {
    "table": ("mlp", "tabular", "tabular"),
    "image": ("convnet", "image", "image"),
    "sequence": ("transformer", "sequence", "tabular"),
}
"""Model, transform, and the augmentation of a trainer that learns from views, by the kind of the data."""

_LEARN_FROM_VIEWS = ("ContrastiveTrainer", "SemiSupervisedTrainer")

LOSSES = {
    "multiclass": "cross_entropy",
    "binary": "binary_cross_entropy",
    "multilabel": "binary_cross_entropy",
    "regression": "mean_squared_error",
}
"""`trainer.loss` by the kind of the task."""

EVALUATIONS = {
    "multiclass": "classification",
    "binary": "classification",
    "multilabel": "multilabel",
    "regression": "regression",
    "none": "representation",
}
"""`evaluate` by the kind of the task, unless the trainer learns a representation."""

MONITORS = {
    "classification": "valid/accuracy",
    "multilabel": "valid/accuracy",
    "regression": "valid/rmse",
}
"""`trainer.monitor` by the evaluation."""

NUMERIC = "model.numeric"
"""The embedding of numbers before a model, which may be `auto` until the rows are known."""

PASSES = "data.load.passes"
"""Over the training rows in an epoch, which are `auto` until the rows are known."""

EPOCHS = 20
"""`trainer.epochs` where it is `auto`, unless the training rows are few."""

_LEAST_STEPS = 300
"""A network of images or numbers learns too little in fewer: docs/log.md has the steps that were tried."""


_LEAST_EPOCH_STEPS = 5
"""Of an epoch, if the passes are chosen: one step takes less time than a validation of a few dozen rows."""

_VALIDATION_SHARE = 0.2
"""Of the time of an epoch's steps: docs/log.md has the times that were measured."""


def with_provisional_epochs(cfg: DictConfig) -> DictConfig:
    """The configuration with `EPOCHS` for `auto`, for checks before the rows are read.

    Other settings may refer to the number, such as a scheduler's `T_max: ${trainer.epochs}`.
    """
    if cfg.trainer.get("epochs") != "auto":
        return cfg
    cfg = copied(cfg)
    OmegaConf.update(cfg, "trainer.epochs", EPOCHS)
    return cfg


def choose_epochs(rows: int, rows_of_a_step: int, passes: int = 1) -> int:
    """The epochs in which a training from random weights takes 300 steps, but at least `EPOCHS`.

    Args:
        rows: that are trained on, at least 1.
        rows_of_a_step: batch size times accumulated batches.
        passes: over the rows in an epoch.
    """
    return max(EPOCHS, math.ceil(_LEAST_STEPS / (passes * math.ceil(rows / rows_of_a_step))))


def choose_passes(rows: int, valid_rows: int, rows_of_a_step: int) -> int:
    """The passes over few training rows in an epoch, so that validation does not take most of the time.

    An epoch then has at least five steps, and the validation rows pass the network for at most a fifth of its
    time, if a training row costs as much as three of them: forward, and backward. The training still has
    `EPOCHS` epochs to choose from.

    Args:
        rows: that are trained on, at least 1.
        valid_rows: of the same fold.
        rows_of_a_step: batch size times accumulated batches.
    """
    steps = math.ceil(rows / rows_of_a_step)
    enough = max(
        math.ceil(_LEAST_EPOCH_STEPS / steps), math.ceil(valid_rows / (3 * rows * _VALIDATION_SHARE))
    )
    return max(1, min(enough, choose_epochs(rows, rows_of_a_step) // EPOCHS))


LOG_LOSS = "valid/log_loss"

_WITH_LOG_LOSS = ("classification", "multilabel")


def choose_best_by(monitor: str, evaluation: str, by_log_loss: bool) -> list[str]:
    """`trainer.best_by` where it is `auto`: the monitored score, of equal epochs that of the lower log-loss.

    An accuracy of few validation rows is the same in many epochs, and later ones may be overfitted.

    Args:
        evaluation: of `EVALUATIONS`, or another.
        by_log_loss: whether only the log-loss counts.
    """
    if evaluation not in _WITH_LOG_LOSS:
        return [monitor]
    return [LOG_LOSS] if by_log_loss or monitor == LOG_LOSS else [monitor, LOG_LOSS]


def choose_parts(overrides: Overrides, composer: Composer) -> dict[str, str]:
    """The choice for each group that is `auto`; a group whose choice was named is left alone.

    Hydra composes the choices like any other, so that a value below them, `model.widths=[8]`, finds its
    key. They follow from the kind of the data (`data.extract.kind`) and from the trainer, which the
    configuration holds. What needs the rows is chosen later, by `harness.config.finish_config.finish`.

    Args:
        composer: how these overrides are composed here, such as `harness.config.compose.compose_to_read`.
            What it returns is only read.

    Raises:
        UserError: a group is given several choices.
        hydra.errors.HydraException: a choice or key does not exist.
    """
    overrides.check_choices()
    cfg = composer(overrides.choosing().texts)
    kind = OmegaConf.select(cfg, "data.extract.kind")
    trainer = str(OmegaConf.select(cfg, "trainer._target_")).rsplit(".", 1)[-1]
    model, transform, augment = _BY_KIND.get(kind, _BY_KIND["table"])
    wanted = {
        "model": model,
        "data/transform": transform,
        "data/augment": augment if trainer in _LEARN_FROM_VIEWS else "none",
    }
    return {group: name for group, name in wanted.items() if is_auto(cfg, group)}


def is_auto(cfg: DictConfig, group: str) -> bool:
    """Whether the choice of a group is still open."""
    node: Any = OmegaConf.select(cfg, f"{group.replace('/', '.')}._auto_")
    return bool(node)
