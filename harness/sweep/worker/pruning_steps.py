"""Axis: the consumer that a sweep passes into a trial's runs, and the steps that a pruner sees.

One axis of resource for trainings, folds and repeats. A unit is a fold of a run; units are counted through
the runs of a trial.

    axis=epochs   step e, e = 1 … E     epoch e of unit 0: the objective at the best epoch so far
                  step E + u, u >= 1    the end of unit u: the mean over units 0 … u
    axis=folds    step u, u >= 0        the end of unit u: its own score

So a bad trial ends within its first training or after few folds, and the last step is what the whole trial
comes to. Nothing is stopped at the last step, where nothing would be saved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.core.errors import Pruned
from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.sweep.study.pruning import StepAxis
from harness.sweep.study.snapshot import Objective

Report = Callable[[int, float], bool]
"""Takes (step, value); whether the trial is to be stopped."""

OnEpoch = Callable[[int, int, float | None], None]
"""Takes (epoch, epochs, score so far), at the end of each epoch."""


class PruningSteps:
    """Reports a trial's progress, and stops it where the pruner says so.

    Args:
        objectives: of the sweep. Where there are several nothing is reported: a pruner compares one number.
        kind: `sweep.axis`.
        units: folds of a run, and runs of a trial.
        report: hands a step to the study.
        seen: is told of each epoch, whatever is reported.
        reported: what the study has of this trial already, by step, where it goes on.
        epochs: E, the most of any trial, so that where `trainer.epochs` is swept a step means the same to
            all; None: those of this trial.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        *,
        kind: StepAxis,
        units: tuple[int, int],
        report: Report,
        seen: OnEpoch,
        reported: Mapping[int, float] | None = None,
        epochs: int | None = None,
    ) -> None:
        self._objective = objectives[0] if len(objectives) == 1 else None
        self._kind = kind
        self._folds, repeats = units
        self._units = self._folds * repeats
        self._report = report
        self._seen = seen
        self._reported = dict(reported or {})
        self._run = 0
        self._done: list[list[float]] = [[]]  # scores of the units that ended, by run
        self._epochs = epochs
        self._best: float | None = None

    def repeat(self, index: int) -> None:
        """Run `index` of the trial begins, 0 for the first."""
        self._run = index
        self._done = [*self._done[:index], *([] for _ in range(len(self._done), index)), []]
        self._best = None

    def finished(self, scores: Mapping[str, Mapping[str, Any]]) -> None:
        """The run that `repeat` began was finished by an earlier process, with these `Result.scores`."""
        if self._objective is not None and self._objective.name in scores:
            values = scores[self._objective.name]["folds"]
            self._done[self._run] = [math.nan if value is None else float(value) for value in values]

    def __call__(self, fold: Fold, progress: Progress) -> None:
        """An epoch ended.

        Raises:
            Pruned: the trial is to be stopped.
        """
        epoch, epochs = progress.epoch, progress.epochs
        if self._epochs is None:
            self._epochs = epochs
        value = self._so_far(progress)
        self._seen(epoch, epochs, value)
        if self._kind == "folds" or self._unit > 0 or value is None:
            return
        last = epoch >= epochs and self._units == 1
        if self._stops(epoch, value) and not last:
            raise Pruned(f"stopped after epoch {epoch} of {epochs}, with {self._told(value)}.")

    def fold_done(self, fold: Fold, scores: Mapping[str, float]) -> None:
        """A fold was scored, now or by an earlier process; `scores` by full name.

        Raises:
            Pruned: the trial is to be stopped.
        """
        unit, self._best = self._unit, None
        if self._objective is None:
            return
        value = scores.get(self._objective.name, math.nan)
        self._done[self._run].append(value)
        step = self._step(unit)
        if self._kind == "epochs":
            value = self._mean()
        if step is None or not math.isfinite(value):
            return
        if self._stops(step, value) and unit + 1 < self._units:
            raise Pruned(f"stopped after fold {unit + 1} of {self._units}, with {self._told(value)}.")

    @property
    def _unit(self) -> int:
        """The unit under way, or about to begin."""
        return self._run * self._folds + len(self._done[self._run])

    def _step(self, unit: int) -> int | None:
        """The step at which a unit ends; None where it has none of its own, or nobody can tell yet.

        A process that only reads earlier folds back has not seen how many epochs there are; the mean that it
        reports after the next fold holds theirs as well.
        """
        if self._kind == "folds":
            return unit
        return None if unit == 0 or self._epochs is None else self._epochs + unit

    def _so_far(self, progress: Progress) -> float | None:
        """The objective at the best epoch of this training so far; None where it is not known."""
        if self._objective is None:
            return None
        if self._best is None and self._unit == 0 and self._kind == "epochs":
            # The training goes on from a checkpoint: its best epoch is one that an earlier process saw.
            before = [step for step in self._reported if step < progress.epoch]
            self._best = self._reported[max(before)] if before else None
        value = progress.scores.get(self._objective.name, math.nan)
        if progress.best and math.isfinite(value):
            self._best = value
        return self._best

    def _mean(self) -> float:
        """Over all units so far, of those where the score is defined."""
        found = [value for run in self._done for value in run if not math.isnan(value)]
        return math.fsum(found) / len(found) if found else math.nan

    def _stops(self, step: int, value: float) -> bool:
        """Hands a step to the study, unless it has it, and takes its verdict."""
        if step in self._reported:
            return False
        self._reported[step] = value
        return self._report(step, value)

    def _told(self, value: float) -> str:
        name = "" if self._objective is None else self._objective.name
        mean = "a mean " if self._kind == "epochs" and self._unit > 0 else ""
        return f"{mean}{name} of {value:.4g}"
