"""Agreement: what the trials of a sweep must have in common, and what is read off their first folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.config.metric_settings import metric_directions, require_direction
from harness.core.errors import UserError, near
from harness.core.scores import Direction
from harness.prepare.experiment import Experiment
from harness.sweep.study.constraints import read_constraints
from harness.sweep.study.objectives import read_objectives
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.sweep_settings import SweepSettings

_ALWAYS = ("train/loss", "model/parameters", "time/epoch_seconds")
"""The scores that a run has whatever its evaluation."""


@dataclass(frozen=True)
class PreparedTrial:
    """What one point of the space came to just before its training.

    monitor  whose best epoch is kept
    epochs   of the training at most; None: it ends by the clock
    folds    of a run
    judged   the scores that each epoch gives, by full name
    scored   the scores that a run gives in the end, without those of test rows
    metrics  the user's own metrics, and whether each is better high or low
    """

    monitor: str
    epochs: int | None
    folds: int
    judged: tuple[str, ...]
    scored: tuple[str, ...]
    metrics: Mapping[str, Direction | None] = field(default_factory=dict)

    @classmethod
    def of(cls, experiment: Experiment, folds: int) -> PreparedTrial:
        evaluator, budget = experiment.evaluator, experiment.trainer.budget
        further: tuple[str, ...] = getattr(evaluator, "further", ())
        validated = "valid" in dict(experiment.fold.parts())
        judged = [f"valid/{name}" for name in evaluator.names if validated]
        scored = [*judged, *(f"valid/{name}" for name in further if validated), *_ALWAYS]
        metrics = metric_directions(experiment.cfg)
        epochs = None if budget.timed else budget.epochs
        return cls(experiment.trainer.monitor, epochs, folds, (*judged, "train/loss"), tuple(scored), metrics)


@dataclass(frozen=True)
class SharedTraits:
    """What the trials have in common.

    objectives  what is improved
    epochs      of a training at most; None: some end by the clock
    folds       of a run at most
    names       the scores that each epoch of every trial gives, by full name: what a pruner can look at
    """

    objectives: tuple[Objective, ...]
    epochs: int | None
    folds: int
    names: tuple[str, ...]


def shared_traits(
    settings: SweepSettings, told: Sequence[str], seen: Sequence[PreparedTrial]
) -> SharedTraits:
    """What the points that were prepared have in common.

    Args:
        told: the words of each.

    Raises:
        UserError: a trial has not the scores that the sweep compares, or each would be judged by another.
    """
    if settings.objectives is None:
        _require_one_monitor(told, seen)
    metrics = {name: known for found in seen for name, known in found.metrics.items()}
    if not isinstance(settings.objectives, Mapping):
        for name in (
            [settings.objectives] if isinstance(settings.objectives, str) else settings.objectives or ()
        ):
            require_direction(name, metrics, "sweep.objectives")
    directions = {name: known for name, known in metrics.items() if known is not None}
    objectives = read_objectives(settings.objectives, seen[0].monitor, directions)
    for objective in objectives:
        _require_score(objective.name, "sweep.objectives", told, seen)
    for constraint in read_constraints(settings.constraints):
        _require_score(constraint.name, "sweep.constraints", told, seen)
    epochs = [found.epochs for found in seen if found.epochs is not None]
    return SharedTraits(
        objectives=objectives,
        epochs=max(epochs) if len(epochs) == len(seen) else None,
        folds=max(found.folds for found in seen),
        names=tuple(name for name in seen[0].judged if all(name in found.judged for found in seen)),
    )


def _require_one_monitor(told: Sequence[str], seen: Sequence[PreparedTrial]) -> None:
    for words, found in zip(told, seen, strict=True):
        if found.monitor != seen[0].monitor:
            raise UserError(
                f"trials are compared by one score, and trainer.monitor is {seen[0].monitor} with {told[0]}, "
                f"but {found.monitor} with {words}; {_shared(seen)}"
            )


def _shared(seen: Sequence[PreparedTrial]) -> str:
    """The remedy where trials keep the best epochs of different scores."""
    shared = [
        name
        for name in seen[0].scored
        if name.startswith("valid/") and all(name in other.scored for other in seen)
    ]
    if not shared:
        return "they share no score of validation rows: sweep them apart."
    return f"name one that all give: sweep.objectives={' or '.join(shared)}."


def _require_score(name: str, key: str, told: Sequence[str], seen: Sequence[PreparedTrial]) -> None:
    """Whether every trial gives a score."""
    lacking = [(words, found) for words, found in zip(told, seen, strict=True) if name not in found.scored]
    if not lacking:
        return
    words, found = lacking[0]
    # Where none gives it, the words of one of them would lead astray.
    trial = "no trial gives" if len(lacking) == len(seen) else f"a trial with {words} does not give"
    if name.startswith("valid/") and not any(score.startswith("valid/") for score in found.scored):
        raise UserError(
            f"{key} names {name}, which {trial}: its split has no validation rows; use split.valid=0.15."
        )
    raise UserError(f"{key} names {name}, which {trial}; {near(name, found.scored)}")
