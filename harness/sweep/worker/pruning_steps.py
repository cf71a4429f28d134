"""The steps of a trial that a pruner sees, and the consumer of progress that reports them.

A pruner of Optuna compares trials along one axis, and a trial has epochs, folds and repeats. So all of them
are placed on one axis. A unit is a fold of a run; units are numbered through all runs of a trial.

    axis=epochs   step e, e = 1 … E     epoch e of unit 0: the objective at the best epoch so far
                  step E + u, u >= 1    the end of unit u: the mean over units 0 … u
    axis=folds    step u, u >= 0        the end of unit u: its own score

So a bad trial ends within its first training or after few folds, and the value of the last step is the value
of the trial. No trial is stopped at its last step, where this would save nothing.

Of folds that are trained together (`fuse`), the first n units advance at the same time:

    axis=epochs   step e, e = 1 … E     the mean over units 0 … n-1 of the objective at the best epoch so far
                  step E + n - 1        the end of these units: their mean

Where the runs of a trial are trained together too, the first folds of all runs are these units.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.core.errors import Frozen, Pruned
from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.sweep.study.pruning import StepAxis
from harness.sweep.study.snapshot import Objective

Report = Callable[[int, float], bool]
"""Called with (step, value); returns whether the trial is to be stopped."""

OnEpoch = Callable[[int, int, float | None, int], None]
"""Called with (epoch, epochs, score so far, epochs so far in all folds and runs) at the end of each epoch."""


class PruningSteps:
    """Reports a trial's progress, and stops it where the pruner says so.

    Args:
        objectives: of the sweep. With several, nothing is reported: a pruner compares one number.
        axis: `sweep.axis`.
        units: (folds of a run, runs of a trial).
        report: stores a step in the study.
        on_epoch: called at each epoch, whether or not it is reported.
        reported: the values that the study already has of a resumed trial, by step.
        epochs: E, the most epochs of any trial, so that a step means the same for all trials where
            `trainer.epochs` is swept; None: those of this trial.
        compared: the score that the pruner compares in place of the objective. The study knows one
            direction, so a score that is better in the other is reported with the other sign.
        halt: a step of `reported` at which the trial is stopped again.
        freezes: whether a trial that is stopped may go on later.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        *,
        axis: StepAxis,
        units: tuple[int, int],
        report: Report,
        on_epoch: OnEpoch,
        reported: Mapping[int, float] | None = None,
        epochs: int | None = None,
        compared: Objective | None = None,
        halt: int | None = None,
        freezes: bool = False,
    ) -> None:
        single = objectives[0] if len(objectives) == 1 else None
        self._objective = single if compared is None else compared
        turned = compared is not None and single is not None and compared.direction != single.direction
        self._sign = -1.0 if turned else 1.0
        self._axis = axis
        self._folds, repeats = units
        self._units = self._folds * repeats
        self._report = report
        self._on_epoch = on_epoch
        self._reported = dict(reported or {})
        self._halt = halt
        self._error = Frozen if freezes else Pruned
        self._run = 0
        self._done: list[list[float]] = [[]]  # scores of the units that ended, by run
        self._epochs = epochs
        self._best: dict[int, float] = {}  # of the trainings that run, by unit
        self._reached: dict[int, int] = {}  # their epochs
        self._over: set[int] = set()
        self._first = [0]  # units that advance at the same time
        self._side_by_side = False

    def runs_together(self) -> list[RunSteps]:
        """The consumers of the runs of a trial that are trained at the same time, instead of `start_run`."""
        runs = range(self._units // self._folds)
        self._side_by_side = True
        self._done = [[] for _ in runs]
        self._first = [run * self._folds for run in runs]
        return [RunSteps(self, run) for run in runs]

    def folds_together(self, count: int) -> None:
        """Must be called before a run of which `count` folds are trained together."""
        if self._side_by_side:
            runs = range(self._units // self._folds)
            self._first = [run * self._folds + fold for run in runs for fold in range(count)]
        elif self._run == 0:
            self._first = list(range(count))

    def go_on_in_run(self, index: int) -> None:
        """What is reported next is of run `index`, one of several that are trained at the same time."""
        self._run = index

    def start_run(self, index: int) -> None:
        """Starts run `index` of the trial, 0 for the first."""
        self._run = index
        self._done = [*self._done[:index], *([] for _ in range(len(self._done), index)), []]

    def run_was_finished(self, scores: Mapping[str, Mapping[str, Any]]) -> None:
        """Takes over the `Result.scores` of a run that an earlier process has finished."""
        if self._objective is not None and self._objective.name in scores:
            values = scores[self._objective.name]["folds"]
            self._done[self._run] = [
                math.nan if value is None else self._sign * float(value) for value in values
            ]
        if self._side_by_side:
            first = self._run * self._folds
            self._over.update(range(first, first + self._folds))
            self._reached |= dict.fromkeys(range(first, first + self._folds), 0)
            ended = enumerate(self._done[self._run], first)
            self._best |= {unit: value for unit, value in ended if not math.isnan(value)}

    def __call__(self, fold: Fold, progress: Progress) -> None:
        """Reports an epoch of the first unit.

        Raises:
            Pruned: the pruner ends the trial.
        """
        epoch, epochs = progress.epoch, progress.epochs
        if self._epochs is None:
            self._epochs = epochs
        unit = self._run * self._folds + fold.number
        self._see(unit, progress)
        value = self._best.get(unit)
        self._on_epoch(epoch, epochs, value, self._passed(unit, epochs))
        step = self._common_epoch()
        if self._axis == "folds" or unit not in self._first or step is None:
            return
        known = [self._best[other] for other in self._first if other in self._best]
        if len(known) < len(self._first):
            return
        value = math.fsum(known) / len(known)
        last = len(self._over) == self._units
        if self._stops(step, value) and not last:
            raise self._error(f"stopped after epoch {step} of {epochs}, with {self._describe(value)}.")

    def _see(self, unit: int, progress: Progress) -> None:
        """Takes the epoch of a unit, and its objective at the best epoch so far, where it is known."""
        self._reached[unit] = progress.epoch
        if progress.last or progress.epoch >= progress.epochs:
            self._over.add(unit)
        if self._objective is None:
            return
        if unit not in self._best and self._first == [unit] == [0] and self._axis == "epochs":
            # The training was resumed from a checkpoint: an earlier process reported its best epoch.
            before = [step for step in self._reported if step < progress.epoch]
            if before:
                self._best[unit] = self._reported[max(before)]
        value = self._value(progress.scores)
        if progress.best and math.isfinite(value):
            self._best[unit] = value

    def _passed(self, unit: int, epochs: int) -> int:
        """The epochs so far in all folds and runs of the trial."""
        if unit in self._first:
            return sum(self._reached.values())
        return unit * epochs + self._reached[unit]

    def _common_epoch(self) -> int | None:
        """The epoch that all of the first units have passed; None before there is one."""
        if not all(unit in self._reached for unit in self._first):
            return None
        running = [self._reached[unit] for unit in self._first if unit not in self._over]
        return min(running, default=max(self._reached[unit] for unit in self._first))

    def fold_resumed(self, fold: Fold, best: Mapping[str, float]) -> None:
        """Takes the scores at the best epoch of a training that goes on from a checkpoint."""
        if self._objective is not None and self._objective.name in best:
            self._best[self._run * self._folds + fold.number] = self._value(best)

    def _value(self, scores: Mapping[str, float]) -> float:
        """What is reported of some scores; NaN where it is missing."""
        name = "" if self._objective is None else self._objective.name
        return self._sign * scores.get(name, math.nan)

    def fold_done(self, fold: Fold, scores: Mapping[str, float]) -> None:
        """Reports a fold that was scored, now or by an earlier process; `scores` by full name.

        Raises:
            Pruned: the pruner ends the trial.
        """
        unit = self._unit
        if self._objective is None:
            return
        value = self._value(scores)
        self._done[self._run].append(value)
        step = self._step(unit)
        if self._axis == "epochs":
            value = self._mean()
        if step is None or not math.isfinite(value):
            return
        if self._stops(step, value) and unit + 1 < self._units:
            raise self._error(
                f"stopped after fold {unit + 1} of {self._units}, with {self._describe(value)}."
            )

    @property
    def _unit(self) -> int:
        """How many units have ended: of units that follow one another, the one that runs or starts next."""
        return sum(map(len, self._done))

    def _step(self, unit: int) -> int | None:
        """The step at which a unit ends; None where it has none, or where it is not known yet.

        A process that only reads earlier folds back does not know how many epochs there are; the mean that it
        reports after the next fold includes them.
        """
        if self._axis == "folds":
            return unit
        known = self._epochs is not None and unit > 0 and unit >= len(self._first) - 1
        return (self._epochs or 0) + unit if known else None

    def _mean(self) -> float:
        """The mean over all units so far in which the score is defined."""
        values = [value for run in self._done for value in run if not math.isnan(value)]
        return math.fsum(values) / len(values) if values else math.nan

    def _stops(self, step: int, value: float) -> bool:
        """Reports a step that the study does not have yet; returns whether the pruner ends the trial."""
        if step in self._reported:
            return step == self._halt
        self._reported[step] = value
        return self._report(step, value)

    def _describe(self, value: float) -> str:
        name = "" if self._objective is None else self._objective.name
        several = self._axis == "epochs" and (self._unit > 0 or len(self._first) > 1)
        mean = "a mean " if several else ""
        return f"{mean}{name} of {self._sign * value:.4g}"


class RunSteps:
    """The consumer of one run of a trial whose runs are trained at the same time, see `PruningSteps`."""

    def __init__(self, steps: PruningSteps, index: int) -> None:
        self._steps = steps
        self._index = index

    def run_was_finished(self, scores: Mapping[str, Mapping[str, Any]]) -> None:
        self._own.run_was_finished(scores)

    def folds_together(self, count: int) -> None:
        self._own.folds_together(count)

    def fold_resumed(self, fold: Fold, best: Mapping[str, float]) -> None:
        self._own.fold_resumed(fold, best)

    def __call__(self, fold: Fold, progress: Progress) -> None:
        self._own(fold, progress)

    def fold_done(self, fold: Fold, scores: Mapping[str, float]) -> None:
        self._own.fold_done(fold, scores)

    @property
    def _own(self) -> PruningSteps:
        self._steps.go_on_in_run(self._index)
        return self._steps
