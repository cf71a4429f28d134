"""Builds the pruner that stops trials early, and checks that it can.

The steps of a pruner are those of `harness.sweep.worker.pruning_steps`: epochs, then one for each further
fold and repeat; or
folds and repeats alone. After the last step a trial is complete, and nothing is left to be stopped.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    WilcoxonPruner,
)

from harness.config.instantiate import build, target
from harness.core.errors import UserError, refusing
from harness.core.near_names import near
from harness.sweep.median import Median
from harness.sweep.patient import Patient
from harness.sweep.study.optuna_internals import initialize_brackets
from harness.sweep.study.snapshot import Objective

StepAxis = Literal["epochs", "folds"]

_KEY = "sweep.pruner"
_OF_EVERY_EPOCH = ("train/loss", "time/epoch_seconds")


def build_pruner(
    node: Mapping[str, Any] | DictConfig | None,
    epochs: int | None,
    units: int,
    axis: StepAxis = "epochs",
    rung: int = 1,
) -> BasePruner | None:
    """The pruner of a sweep; None where there is none.

    Args:
        node: `sweep.pruner`. A `max_resource` of auto becomes the last step of a trial, a `min_resource` of
            auto the first rung, see `first_step`.
        epochs: of a training; None if unknown.
        units: folds times repeats.
        axis: `sweep.axis`.
        rung: the first epoch at which trials can be compared.

    Raises:
        UserError: the node describes no pruner, a value is refused, or it could never stop a trial.
    """
    if node is None:
        return None
    plain: Any = OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig) else dict(node)
    last = _last(epochs, units, axis)
    filled = _checked(plain, _Steps(last, _described(epochs, units, axis), axis, rung), _KEY)
    with refusing(_KEY), warnings.catch_warnings():
        # Each worker would otherwise print Optuna's warning that the pruner is experimental.
        warnings.simplefilter("ignore", ExperimentalWarning)
        pruner = build(filled, _KEY)
        if isinstance(pruner, HyperbandPruner) and last is not None:
            initialize_brackets(pruner)
    if not isinstance(pruner, BasePruner):
        raise UserError(
            f"{_KEY} must be a pruner of Optuna's kind, got {plain['_target_']}",
            "choose one by sweep/pruner=, or derive yours from optuna.pruners.BasePruner",
            key=_KEY,
        )
    return pruner


def first_step(node: Mapping[str, Any], last: int | None, axis: StepAxis, rung: int) -> int:
    """The first rung where `min_resource` is auto: `rung`, but early enough that the others can follow.

    Args:
        node: `sweep.pruner`.
        last: the last step of a trial; None if unknown.
    """
    if axis == "folds":
        return 1
    factor = node.get("reduction_factor", 2)
    most = rung if last is None or not isinstance(factor, int) or factor < 2 else last // factor
    return max(1, min(rung, most))


def check_prunable(objectives: Sequence[Objective], names: Iterable[str], axis: StepAxis = "epochs") -> None:
    """Whether a pruner can follow these objectives; for sweeps that have a pruner.

    Args:
        names: the scores that an epoch gives, by full name: `valid/…` of each score of the evaluator.

    Raises:
        UserError: there are several, or epochs do not have the one.
    """
    if len(objectives) > 1:
        listed = ", ".join(objective.name for objective in objectives)
        raise UserError(
            "a pruner compares one number along a training, and sweep.objectives has "
            f"{len(objectives)} ({listed})",
            "use sweep/pruner=none, or one objective",
            key="sweep.objectives",
        )
    known = {*names, *_OF_EVERY_EPOCH}
    name = objectives[0].name
    if axis == "epochs" and name not in known:
        raise UserError(
            f"sweep.objectives={name} is known only at the end of a fold, and the pruner's steps are epochs",
            f"use sweep/pruner=none, or a score of every epoch: {near(name, known)}",
            key="sweep.objectives",
        )


class _Steps:
    """The steps of a trial: number of the last, what they are in words, which kind, and the first rung."""

    def __init__(self, last: int | None, description: str, axis: StepAxis, rung: int) -> None:
        self.last = last
        self.rung = rung
        self.description = description
        self.axis = axis

    def check(self, key: str, first: int, given: object) -> None:
        """Whether a pruner that stops nothing before the step `first` can stop anything."""
        # A single step is one epoch of one fold, as in debug=fast: nothing to stop, and nothing to refuse.
        if self.last is None or self.last <= 1 or first < self.last:
            return
        raise UserError(
            f"{key} must leave a step before the last one of a trial, "
            f"which is {self.last} ({self.description}), got {given}",
            "lower it, or use sweep/pruner=none",
            key=key,
            value=given,
        )


def _last(epochs: int | None, units: int, axis: StepAxis) -> int | None:
    if axis == "folds":
        if units < 2:
            raise UserError(
                "sweep.axis=folds compares trials from fold to fold, and there is one fold",
                "choose a split of several folds, sweep.repeat=5, or sweep.axis=epochs",
                key="sweep.axis",
            )
        return units - 1
    return None if epochs is None else epochs + units - 1


def _described(epochs: int | None, units: int, axis: StepAxis) -> str:
    if axis == "folds":
        return f"{units} folds, counted from 0"
    return f"{epochs} epochs" + (f" and {units - 1} more folds" if units > 1 else "")


def _checked(node: dict[str, Any], steps: _Steps, key: str) -> dict[str, Any]:
    """The node, and those within it, with `max_resource` filled in.

    Raises:
        UserError: a pruner that could never stop a trial.
    """
    made = target(node, key)
    filled = {
        name: _checked(value, steps, f"{key}.{name}")
        if isinstance(value, dict) and "_target_" in value
        else value
        for name, value in node.items()
    }
    if isinstance(made, type):
        if issubclass(made, SuccessiveHalvingPruner) and node.get("min_resource") == "auto":
            node = filled = {**filled, "min_resource": first_step(node, steps.last, steps.axis, steps.rung)}
        if issubclass(made, HyperbandPruner):
            filled["max_resource"] = _whole(node, steps, key)
        if issubclass(made, PatientPruner) and steps.axis == "epochs":
            raise UserError(
                f"{key}: Optuna's PatientPruner waits for worse scores, and a trial reports its best so far",
                "use sweep/pruner=patient",
                key=key,
            )
        if issubclass(made, WilcoxonPruner):
            _check_wilcoxon(node, steps, key)
        if issubclass(made, (HyperbandPruner, SuccessiveHalvingPruner)):
            _check_rungs(node, steps, key, may_be_auto=issubclass(made, SuccessiveHalvingPruner))
        if issubclass(made, (PercentilePruner, Median)):
            steps.check(f"{key}.n_warmup_steps", node.get("n_warmup_steps", 0), node.get("n_warmup_steps"))
        if issubclass(made, Patient):
            steps.check(f"{key}.patience", node["patience"] + 1, node["patience"])
    return filled


def _whole(node: Mapping[str, Any], steps: _Steps, key: str) -> int | str:
    """Hyperband's `max_resource`."""
    given, least = node.get("max_resource", "auto"), node.get("min_resource", 1)
    if given in (None, "auto"):
        return "auto" if steps.last is None else max(steps.last, least)
    if not isinstance(given, int) or given < least:
        raise UserError(
            f"{key}.max_resource must be auto or at least min_resource, which is {least}, got {given}",
            key=f"{key}.max_resource",
            value=given,
        )
    if steps.last is not None and given > steps.last:
        raise UserError(
            f"{key}.max_resource must be at most {steps.last}, "
            f"the last step of a trial ({steps.description}), got {given}",
            "auto is that step",
            key=f"{key}.max_resource",
            value=given,
        )
    whole: int = given
    return whole


def _check_rungs(node: Mapping[str, Any], steps: _Steps, key: str, *, may_be_auto: bool) -> None:
    """Whether the first rung comes before the end."""
    first, factor = node.get("min_resource", 1), node.get("reduction_factor", 2)
    if factor < 2:
        raise UserError(
            f"{key}.reduction_factor must be at least 2, got {factor}",
            key=f"{key}.reduction_factor",
            value=factor,
        )
    if not isinstance(first, int) or first < 1:
        other = "auto or " if may_be_auto else ""
        rule = f"{key}.min_resource must be {other}at least 1, got {first}"
        raise UserError(rule, key=f"{key}.min_resource", value=first)
    rate = node.get("min_early_stopping_rate", 0)
    name = (
        "min_early_stopping_rate" if rate and (steps.last is None or first < steps.last) else "min_resource"
    )
    steps.check(f"{key}.{name}", first * factor ** max(rate, 0), node.get(name, first))


def _check_wilcoxon(node: Mapping[str, Any], steps: _Steps, key: str) -> None:
    """Whether the test compares folds, and enough of them before the last."""
    if steps.axis != "folds" or steps.last is None:
        raise UserError(
            f"{key}: Wilcoxon's test compares two trials fold by fold, and sweep.axis is {steps.axis}",
            "set sweep.axis=folds, as sweep=wilcoxon does",
            key=key,
        )
    threshold = node.get("p_threshold", 0.1)
    least = 2.0**-steps.last
    if least >= threshold:
        raise UserError(
            f"{key}.p_threshold must be above {least:g}, the least that {steps.last} folds can show (the "
            f"last one stops nothing any more), got {threshold:g}",
            "take more folds or a higher sweep.repeat",
            key=f"{key}.p_threshold",
        )
    steps.check(f"{key}.n_startup_steps", node.get("n_startup_steps", 2) - 1, node.get("n_startup_steps", 2))
