"""The evaluation of an experiment, with the user's own metrics."""

from __future__ import annotations

from omegaconf import DictConfig

from harness.config.instantiate import build
from harness.config.metric_nodes import build_metrics
from harness.config.metric_settings import KEY
from harness.core.arrays import Loaders
from harness.core.errors import UserError
from harness.core.protocol import Evaluator
from harness.core.task import Task
from harness.evaluate.permutation_importance import PermutationImportance
from harness.evaluate.scored_rows import known
from harness.evaluate.user_metric import UserMetric
from harness.evaluate.with_user_metrics import WithUserMetrics
from harness.runtime.config_nodes import container
from harness.trainer.universal import UniversalTrainer


def with_user_metrics(evaluator: Evaluator, cfg: DictConfig, task: Task, outputs: bool = True) -> Evaluator:
    """The evaluator, among whose scores are the values of `evaluate.metrics`; itself where there are none.

    Args:
        outputs: whether the trainer learns outputs that can be compared with targets.

    Raises:
        UserError: it is no evaluator; a metric has nothing to compare, or a name that is taken.
    """
    _require_validate(evaluator)
    built = build_metrics(cfg)
    if not built:
        return evaluator
    if not outputs:
        name = next(iter(built))
        raise UserError(
            f"{KEY}.{name} compares predictions with targets, and this trainer learns a representation alone",
            f"use trainer=supervised, or leave out +{KEY}.{name}",
            key=f"{KEY}.{name}",
        )
    metrics = [UserMetric(name, made.func, made.keywords, task) for name, made in built.items()]
    return WithUserMetrics(evaluator, metrics)


def build_importance(cfg: DictConfig) -> PermutationImportance | None:
    """What computes the importance of columns; None where `evaluate/importance=off`, and of earlier runs."""
    evaluate = cfg.evaluate
    if "importance" not in list(evaluate) or evaluate.importance is None:
        return None
    made: PermutationImportance = build(evaluate.importance, "evaluate.importance")
    return made


def check_importance(cfg: DictConfig, evaluator: Evaluator, task: Task) -> None:
    """Checks the settings of the importance of columns.

    Raises:
        UserError: a value is out of range, or there is no such score.
    """
    importance = build_importance(cfg)
    if importance is not None and hasattr(evaluator, "pool"):
        importance.score_of(task, [name for name in evaluator.names if name != "loss"])


def calibrates(cfg: DictConfig) -> bool:
    """Whether the temperature of the trained network is fitted."""
    return bool(container(cfg.production, resolve=True).get("calibrate") == "temperature")


def check_calibration(cfg: DictConfig, trainer: UniversalTrainer, loaders: Loaders) -> None:
    """Checks that a temperature can be fitted, where `production.calibrate` asks for that.

    Raises:
        UserError: there are no probabilities, or no labelled validation rows.
    """
    if not calibrates(cfg):
        return
    kind = loaders.task.kind
    if trainer.learns == "representation" or kind == "regression":
        actual = "learns a representation" if trainer.learns == "representation" else "predicts numbers"
        raise UserError(
            f"production.calibrate=temperature calibrates probabilities, and this training {actual}",
            "leave it out",
            key="production.calibrate",
        )
    targets = None if loaders.valid is None else loaders.valid.targets
    if targets is None or not known(targets).any():
        raise UserError(
            "production.calibrate=temperature is fitted on labelled validation rows, and there are none",
            "raise split.valid, or leave it out",
            key="production.calibrate",
        )


def _require_validate(evaluator: object) -> None:
    # `judge` was its name once: a class written for it must learn the new one before a training starts.
    if not hasattr(evaluator, "validate"):
        name = type(evaluator).__name__
        raise UserError(
            f"an evaluator scores the validation rows in a method `validate`, and {name} has none",
            f"name it {name}.validate(predictor, loaders) (it was `judge` before)"
            if hasattr(evaluator, "judge")
            else "define it as harness.core.protocol.Evaluator describes",
            key="evaluate",
            value=name,
        )
