"""What the trials of a sweep have in common, found from the first folds of a sample of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.config.metric_settings import metric_directions, require_direction
from harness.core.errors import UserError
from harness.core.near_names import near
from harness.core.scores import Direction, direction
from harness.core.steady_score import is_steady, plain_name, steady_name
from harness.prepare.experiment import Experiment
from harness.prepare.plan import Plan
from harness.sweep.study.constraints import read_constraints
from harness.sweep.study.objectives import read_objectives
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.sweep_settings import SweepSettings
from harness.sweep.worker.trial_slots import FusedTrial

_ALWAYS = ("train/loss", "model/parameters", "time/epoch_seconds", "time/training_seconds")
"""The scores that every run has, whatever its evaluation."""

_WARMUP = ("warmup", "pct_start")
_ENOUGH_STEPS, _FEWEST_STEPS, _EARLY = 100, 30, 9
"""Steps before which trials are not compared."""

_SHARES = ("valid/accuracy", "valid/f1", "valid/exact_match")
_FINER, _FEW_ROWS = "valid/log_loss", 1000
"""What a pruner compares in place of a share of few rows, which is the same for many trials."""


@dataclass(frozen=True)
class PreparedTrial:
    """One point of the space, prepared up to its training.

    monitor       `trainer.monitor`, the score that stands for a training
    epochs        most epochs of the training; None: time ends it
    folds         of a run
    epoch_scores  the scores that each epoch has, by full name
    run_scores    the scores that a run has at its end, without those of test rows
    metrics       the user's own metrics, and whether each is better high or low
    experiment    of MLflow; None: the tracking has none
    fused         what it says about training trials as one
    rows          of its validation part
    rung          the first epoch after the warm-up by which there were steps enough to compare trials
    optimistic    whether the monitored score, an error of few rows, also chooses the best epoch
    """

    monitor: str
    epochs: int | None
    folds: int
    epoch_scores: tuple[str, ...]
    run_scores: tuple[str, ...]
    metrics: Mapping[str, Direction | None] = field(default_factory=dict)
    experiment: str | None = None
    fused: FusedTrial | None = None
    rows: int = 0
    rung: int = 1
    optimistic: bool = False

    @classmethod
    def of(cls, experiment: Experiment, plan: Plan) -> PreparedTrial:
        evaluator, budget = experiment.evaluator, experiment.trainer.budget
        further: tuple[str, ...] = getattr(evaluator, "further", ())
        validated = "valid" in dict(experiment.fold.parts())
        each_epoch = [f"valid/{name}" for name in evaluator.names if validated]
        at_end = [*each_epoch, *(f"valid/{name}" for name in further if validated), *_ALWAYS]
        epochs = None if budget.timed else budget.epochs
        epoch_scores, metrics = (*each_epoch, "train/loss"), metric_directions(experiment.cfg)
        named = experiment.cfg.tracking.get("experiment")
        monitor, rows = experiment.trainer.monitor, len(experiment.fold.valid)
        by_itself = experiment.trainer.ranking.first == monitor and monitor in each_epoch
        return cls(
            monitor=monitor,
            epochs=epochs,
            folds=len(plan.folds),
            epoch_scores=epoch_scores,
            run_scores=tuple(at_end),
            metrics=metrics,
            experiment=named,
            fused=FusedTrial.of(experiment, plan),
            rows=rows,
            rung=1 if epochs is None else first_rung(experiment.cfg.trainer, epochs, budget.steps),
            optimistic=by_itself and rows < _FEW_ROWS and experiment.loaders.task.kind == "regression",
        )


def first_rung(trainer: Mapping[str, Any], epochs: int, steps: int) -> int:
    """The epoch before which no comparison of trials is fair.

    Until the learning rate has reached its height most trials predict the same, such as the most frequent
    class. A hundred steps are enough, and so is a ninth of the training if it has thirty
    (`benchmarks/sweep_regret.md`).

    Args:
        trainer: the node of the trainer; its scheduler's share of warm-up is `warmup` or `pct_start`.
        epochs: of the training.
        steps: of the optimizer in all epochs.
    """
    scheduler = trainer.get("scheduler") or {}
    share = max(float(scheduler.get(name) or 0) for name in _WARMUP)
    enough = max(min(_ENOUGH_STEPS, steps / _EARLY), _FEWEST_STEPS) * epochs / max(steps, 1)
    return max(1, math.ceil(max(share * epochs, enough) - 1e-9))


@dataclass(frozen=True)
class SharedTraits:
    """What the trials have in common.

    objectives  that the sweep improves
    epochs      most epochs of a training; None: time ends some of them
    folds       most folds of a run
    names       the scores that each epoch of every trial has, by full name: a pruner can use these
    experiment  of MLflow, for the sweep and its trials: MLflow shows trials below their sweep only there
    fused       what the prepared points say about training trials as one
    rung        the first epoch at which a pruner may compare all trials
    compared    the score that a pruner compares, where that is not the objective
    """

    objectives: tuple[Objective, ...]
    epochs: int | None
    folds: int
    names: tuple[str, ...]
    experiment: str | None
    fused: tuple[FusedTrial, ...]
    rung: int
    compared: Objective | None

    @property
    def steady(self) -> bool:
        """Whether the objective is not known before a training ends."""
        return any(is_steady(objective.name) for objective in self.objectives)


def shared_traits(
    settings: SweepSettings, points: Sequence[str], trials: Sequence[PreparedTrial]
) -> SharedTraits:
    """What the prepared points have in common.

    Args:
        points: the overrides of each, as a user would read them.

    Raises:
        UserError: a trial lacks a score that the sweep compares, or trials have different
            monitored scores.
    """
    if settings.objectives is None:
        _require_one_monitor(points, trials)
    metrics = {name: known for trial in trials for name, known in trial.metrics.items()}
    if not isinstance(settings.objectives, Mapping):
        for name in (
            [settings.objectives] if isinstance(settings.objectives, str) else settings.objectives or ()
        ):
            require_direction(name, metrics, "sweep.objectives")
    directions = {name: known for name, known in metrics.items() if known is not None}
    monitor = trials[0].monitor
    default = steady_name(monitor) if all(trial.optimistic for trial in trials) else monitor
    objectives = read_objectives(settings.objectives, default, directions)
    for objective in objectives:
        _require_score(objective.name, "sweep.objectives", points, trials)
    for constraint in read_constraints(settings.constraints):
        _require_score(constraint.name, "sweep.constraints", points, trials)
    epochs = [trial.epochs for trial in trials if trial.epochs is not None]
    experiments = dict.fromkeys(trial.experiment for trial in trials if trial.experiment is not None)
    names = tuple(
        name for name in trials[0].epoch_scores if all(name in trial.epoch_scores for trial in trials)
    )
    return SharedTraits(
        objectives=objectives,
        epochs=max(epochs) if len(epochs) == len(trials) else None,
        folds=max(trial.folds for trial in trials),
        names=names,
        experiment=", ".join(experiments) or None,
        fused=tuple(trial.fused for trial in trials if trial.fused is not None),
        rung=max(trial.rung for trial in trials),
        compared=_compared(settings, objectives, names, min(trial.rows for trial in trials), directions),
    )


def _compared(
    settings: SweepSettings,
    objectives: Sequence[Objective],
    names: Sequence[str],
    rows: int,
    directions: Mapping[str, Direction],
) -> Objective | None:
    """The score that a pruner compares; None: the objective.

    Raises:
        UserError: `sweep.prune_by` is no score of every epoch.
    """
    name = settings.prune_by
    if name == "auto" and len(objectives) == 1 and is_steady(objectives[0].name):
        return Objective(plain_name(objectives[0].name), objectives[0].direction)  # known while a trial runs
    if name == "auto":
        shares = len(objectives) == 1 and objectives[0].name in _SHARES
        few = rows < _FEW_ROWS and settings.axis == "epochs"
        return Objective(_FINER, "minimize") if shares and few and _FINER in names else None
    if name not in names:
        raise UserError(
            f"sweep.prune_by must be auto or a score of every epoch, got {name}",
            near(name, names),
            key="sweep.prune_by",
            value=name,
        )
    return None if name == objectives[0].name else Objective(name, direction(name, directions))


def _require_one_monitor(points: Sequence[str], trials: Sequence[PreparedTrial]) -> None:
    for point, prepared in zip(points, trials, strict=True):
        if prepared.monitor != trials[0].monitor:
            raise UserError(
                "trials are compared by one score, and trainer.monitor is "
                f"{trials[0].monitor} with {points[0]}, but {prepared.monitor} with {point}",
                _shared(trials),
                key="sweep.objectives",
            )


def _shared(trials: Sequence[PreparedTrial]) -> str:
    """The remedy where trials have different monitored scores."""
    shared = [
        name
        for name in trials[0].run_scores
        if name.startswith("valid/") and all(name in other.run_scores for other in trials)
    ]
    if not shared:
        return "they share no score of validation rows: sweep them apart"
    return f"name one that all give: sweep.objectives={' or '.join(shared)}"


def _require_score(name: str, key: str, points: Sequence[str], trials: Sequence[PreparedTrial]) -> None:
    """Raises unless every trial has the score; a steady one is made of the scores of epochs."""
    of_epochs = is_steady(name) and name.startswith("valid/") and key == "sweep.objectives"
    lacking = [
        (point, prepared)
        for point, prepared in zip(points, trials, strict=True)
        if name not in prepared.run_scores and not (of_epochs and plain_name(name) in prepared.epoch_scores)
    ]
    if not lacking:
        return
    point, prepared = lacking[0]
    # Where no trial has it, naming one point would be misleading.
    trial = "no trial gives" if len(lacking) == len(trials) else f"a trial with {point} does not give"
    if name.startswith("valid/") and not any(score.startswith("valid/") for score in prepared.run_scores):
        raise UserError(
            f"{key} names {name}, which {trial}: its split has no validation rows",
            "use split.valid=0.15",
            key=key,
        )
    raise UserError(f"{key} names {name}, which {trial}", near(name, prepared.run_scores), key=key)
