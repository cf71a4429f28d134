"""Asynchronous successive halving by promotion: a trial that stops at a rung may go on later."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

import optuna
from optuna.pruners import SuccessiveHalvingPruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from harness.sweep.study.optuna_internals import storage_of, trial_id
from harness.sweep.study.trial_claim import is_exempt

# Attributes of trials. They never change, because a sweep may be continued by a later version.
FROZEN = "harness:frozen"
PROMOTED = "harness:promoted"


class SuccessiveHalving(SuccessiveHalvingPruner):
    """ASHA as published (Li et al., MLSys 2020, arXiv 1810.05934): trials are promoted from rung to rung.

    Rung k is the step `min_resource * reduction_factor ** (min_early_stopping_rate + k)`. A trial that
    reaches it goes on at once where it is among the best `1 / reduction_factor` of all trials that have
    reached the rung; otherwise it is frozen. As further trials reach the rung, more of them may go on, and a
    frozen trial can earn the next rung: a free worker takes it up (`promoted`) before it starts a new one.

    Optuna's pruner, from which this one has its arguments, cannot suspend a trial: it decides once, with the
    trials that have come by then, and lets the first ones go on whatever they are.

    Args:
        min_resource: the step of the first rung; "auto" is replaced by `harness.sweep.study.pruning`.
        reduction_factor: one trial in so many goes on, at least 2.
        min_early_stopping_rate: rungs that are left out at the start.
        bootstrap_count: trials that a rung needs before one of them goes on.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        min_resource: str | int = "auto",
        reduction_factor: int = 3,
        min_early_stopping_rate: int = 0,
        bootstrap_count: int = 0,
    ) -> None:
        super().__init__(min_resource, reduction_factor, min_early_stopping_rate, bootstrap_count)
        self._first = 1 if isinstance(min_resource, str) else min_resource
        self._factor = reduction_factor
        self._left_out = min_early_stopping_rate
        self._fewest = bootstrap_count

    def step_of(self, rung: int) -> int:
        """The step at which a rung is reached; 0 is the first rung."""
        return self._first * int(self._factor ** (self._left_out + rung))

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether the trial, which reported its latest step, stops there for now."""
        step = trial.last_step
        if step is None:
            return False
        value, rung = trial.intermediate_values[step], rungs_of(trial)
        others: list[FrozenTrial] | None = None
        while step >= self.step_of(rung):
            if math.isnan(value):
                return True
            storage_of(study).set_trial_system_attr(trial_id(trial), _key(rung), value)
            if others is None:
                others = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
            best = self._is_best(value, [value, *_values(others, rung)], study.direction)
            if not best and not is_exempt(trial):
                return True
            storage_of(study).set_trial_system_attr(trial_id(trial), PROMOTED, rung)
            rung += 1
        return False

    def promoted(self, trials: Sequence[FrozenTrial], direction: StudyDirection) -> list[FrozenTrial]:
        """The frozen trials that earned the next rung: the highest rung first, the best of each first."""
        frozen = self._ranked(trials, direction)
        costs = _sorted_costs(trials, frozen, direction)
        limits = {rung: self._limit(own) for rung, own in costs.items()}
        return [trial for trial in frozen if _cost(_value(trial), direction) <= limits[rungs_of(trial) - 1]]

    def nearest(self, trials: Sequence[FrozenTrial], direction: StudyDirection) -> FrozenTrial | None:
        """The best frozen trial of the highest rung, which goes on where no trial would be complete."""
        return next(iter(self._ranked(trials, direction)), None)

    def hopeless(
        self, trials: Sequence[FrozenTrial], direction: StudyDirection, most: int
    ) -> list[FrozenTrial]:
        """The frozen trials that no further trial can help to the next rung.

        With at most N trials, a rung promotes at most N / `reduction_factor`, and the rank of a trial within
        its rung can only become worse.

        Args:
            most: N.
        """
        places = max(1, most // self._factor)
        frozen = self._ranked(trials, direction)
        costs = _sorted_costs(trials, frozen, direction)
        return [
            trial
            for trial in frozen
            if bisect_left(costs[rungs_of(trial) - 1], _cost(_value(trial), direction)) >= places
        ]

    def _ranked(self, trials: Sequence[FrozenTrial], direction: StudyDirection) -> list[FrozenTrial]:
        frozen = [trial for trial in trials if is_frozen(trial) and rungs_of(trial) > 0]
        return sorted(frozen, key=lambda t: (-rungs_of(t), _cost(_value(t), direction), t.number))

    def _is_best(self, value: float, values: Sequence[float], direction: StudyDirection) -> bool:
        """Whether a value is among the best share of those at its rung; values that tie are alike."""
        return _cost(value, direction) <= self._limit(sorted(_cost(other, direction) for other in values))

    def _limit(self, costs: Sequence[float]) -> float:
        """The cost of the last trial of a rung that goes on, of all at the rung in order; -inf: none does."""
        places = len(costs) // self._factor
        return -math.inf if places == 0 or len(costs) <= self._fewest else costs[places - 1]


def is_frozen(trial: FrozenTrial) -> bool:
    """Whether a trial has stopped at a rung and may go on."""
    return trial.state is TrialState.WAITING and bool(trial.system_attrs.get(FROZEN))


def rungs_of(trial: FrozenTrial) -> int:
    """How many rungs the trial has reached."""
    rung = 0
    while _key(rung) in trial.system_attrs:
        rung += 1
    return rung


def stopped_step(trial: FrozenTrial) -> int | None:
    """The step at which the trial stops because it has not earned the next rung; None: it may go on."""
    rungs = rungs_of(trial)
    if rungs == 0 or int(trial.system_attrs.get(PROMOTED, -1)) >= rungs - 1:
        return None
    return trial.last_step


def _key(rung: int) -> str:
    """The attribute that holds the value with which a trial reached a rung; Optuna's own name."""
    return f"completed_rung_{rung}"


def _value(trial: FrozenTrial) -> float:
    """The value with which the trial reached its last rung."""
    return float(trial.system_attrs[_key(rungs_of(trial) - 1)])


def _values(trials: Sequence[FrozenTrial], rung: int) -> list[float]:
    return [trial.system_attrs[_key(rung)] for trial in trials if _key(rung) in trial.system_attrs]


def _sorted_costs(
    trials: Sequence[FrozenTrial], frozen: Sequence[FrozenTrial], direction: StudyDirection
) -> dict[int, list[float]]:
    """The costs of all trials at each rung at which a frozen one waits, in order."""
    rungs = {rungs_of(trial) - 1 for trial in frozen}
    return {rung: sorted(_cost(value, direction) for value in _values(trials, rung)) for rung in rungs}


def _cost(value: float, direction: StudyDirection) -> float:
    return -value if direction is StudyDirection.MAXIMIZE else value
