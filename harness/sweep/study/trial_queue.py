"""The queue of trials. Every claim, report and result passes through it, under the study's lock.

A trial belongs to the process that claimed it until the trial ends or the process is dead; no other process
can report values or results of it. So a worker that was taken for dead and comes back changes nothing, the
budget is met exactly, and a trial whose worker was killed is requeued with its number, parameters and folder.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from harness.sweep.study.journal_storage import TrialsNow, trials_now
from harness.sweep.study.optuna_internals import trial_id
from harness.sweep.study.read_snapshot import OWNER, snapshot
from harness.sweep.study.study_workers import Identity
from harness.sweep.study.successive_halving import FROZEN, PROMOTED, SuccessiveHalving, is_frozen, rungs_of
from harness.sweep.study.trial_claim import Budget, Claim, is_exempt
from harness.sweep.study.trial_reports import DEATHS, Lock, TrialReports

# Attributes of trials. Sweeps of earlier versions have them too, so they never change.
FAILURES = "harness:failures"


class TrialQueue(TrialReports):
    """The queue of one study, as one process uses it.

    Args:
        study: whose storage holds everything; any process may make a queue of it.
        lock: mutual exclusion among all processes of the study; it is not re-entrant.
        name: of the worker, as the screen shows it.
        lease: seconds without a heartbeat after which a worker on another machine counts as dead.
        presence: the key under which this worker's heartbeats are stored, see `send_heartbeat`.
        most_deaths: how many workers a trial may lose, one after the other without progress, before it fails.
        halving: the pruner that promotes frozen trials; None: it freezes none.
    """

    def __init__(
        self,
        study: optuna.Study,
        lock: Lock,
        name: str = "",
        lease: float = 60.0,
        presence: str = "",
        most_deaths: int = 5,
        halving: SuccessiveHalving | None = None,
    ) -> None:
        super().__init__(study, lock, name, lease, presence)
        self._most_deaths = most_deaths
        self._claimed: set[int] = set()
        self.halving = halving

    def claim(self, budget: Budget) -> Claim | None:
        """Claims a trial: an interrupted one, one that is promoted, an enqueued point or a new one.

        Returns:
            None where nothing is left to start for now; a trial that runs elsewhere may still be requeued, or
            let a frozen one be promoted.
        """
        with self._lock():
            # Looked at once, and not at those that have ended: that would take as long as a short training.
            trials = self._trials()
            if dead := self._dead(trials.unfinished):
                self._requeue_dead(dead)
                trials = self._trials()
            if self.stop_reason() is not None:
                return None
            if (unanswered := self._unanswered(trials.unfinished)) is not None:
                return unanswered
            ready, queued, started = self._ready(trials, budget)
            may_start = self._may_start(started, budget, trials)
            # An interrupted trial, or a frozen one, counts as started already: the budget does not stop it.
            for trial in [*ready, *(queued if may_start else [])]:
                if is_frozen(trial):
                    # In this order: a process that is killed here leaves a frozen or an interrupted trial.
                    self._storage.set_trial_system_attr(trial_id(trial), PROMOTED, rungs_of(trial) - 1)
                    self._storage.set_trial_system_attr(trial_id(trial), FROZEN, None)
                self._storage.set_trial_state_values(trial_id(trial), TrialState.RUNNING)
                return self._take(trial_id(trial), trial.number, _was_started(trial))
            if not may_start:
                return None
            new = self._storage.create_new_trial(self._id)
            return self._take(new, self._storage.get_trial_number_from_id(new), False)

    def claimable(self, budget: Budget) -> int:
        """How many trials could be claimed now, one after the other; about 1,000 without a trial limit."""
        with self._lock():
            if self.stop_reason() is not None:
                return 0
            trials = self._trials()
            ready, _, started = self._ready(trials, budget)
            if not self._may_start(started, budget, trials):
                return len(ready)
            return len(ready) + budget.left(started, self._attributes())

    def _ready(self, trials: TrialsNow, budget: Budget) -> tuple[list[FrozenTrial], list[FrozenTrial], int]:
        """Trials to go on with, in order; points to start, in order; and how many were started."""
        waiting = [t for t in trials.unfinished if t.state is TrialState.WAITING and not is_frozen(t)]
        interrupted = [trial for trial in waiting if _was_started(trial)]
        queued = [trial for trial in waiting if not _was_started(trial)]
        started = trials.count - len(queued)
        return [*interrupted, *self._promoted(trials, started, budget)], queued, started

    def _promoted(self, trials: TrialsNow, started: int, budget: Budget) -> list[FrozenTrial]:
        """Frozen trials that may go on now, the first one first."""
        if self.halving is None or not any(map(is_frozen, trials.unfinished)):
            return []
        direction, known = self.study.direction, trials.read()
        if not budget.over(self._attributes(), trials.read):
            promoted = self.halving.promoted(known, direction)
            if promoted or self._may_start(started, budget, trials):
                return promoted
        # So that a sweep has a result, the nearest one goes on when nothing else will.
        ahead = (TrialState.RUNNING, TrialState.COMPLETE)
        if any(trial.state in ahead and not is_exempt(trial) for trial in known):
            return []
        nearest = self.halving.nearest(known, direction)
        return [] if nearest is None else [nearest]

    def exclusive(self) -> AbstractContextManager[None]:
        """The study's lock, for a sampler whose draws depend on each other; no other method works within."""
        return self._lock()

    def set_attributes(self, claim: Claim, attributes: Mapping[str, Any]) -> None:
        """Stores plain values as user attributes of the trial.

        Raises:
            LostOwnership: as `report`.
        """
        with self._lock():
            self._require_ownership(claim)
            self._set_attributes(claim, attributes)

    def complete(
        self,
        claim: Claim,
        values: Sequence[float],
        attributes: Mapping[str, Any],
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """Ends the trial as complete, with one value per objective.

        Args:
            constraints: the violation of each, by name; at most 0 where the constraint holds.

        Raises:
            LostOwnership: as `report`.
        """
        with self._lock():
            self._require_ownership(claim)
            for name, violation in (constraints or {}).items():
                optuna.trial.Trial(self.study, claim.trial_id).set_constraint(name, violation)
            self._set_attributes(claim, attributes)
            self.study.tell(claim.number, list(values), TrialState.COMPLETE)

    def prune(self, claim: Claim, attributes: Mapping[str, Any]) -> None:
        """Ends the trial as pruned.

        Raises:
            LostOwnership: as `report`.
        """
        with self._lock():
            self._require_ownership(claim)
            self._set_attributes(claim, attributes)
            self.study.tell(claim.number, state=TrialState.PRUNED)

    def freeze(self, claim: Claim, attributes: Mapping[str, Any]) -> None:
        """Ends the trial for now; it waits until it is promoted, or until `retire_frozen`.

        Raises:
            LostOwnership: as `report`.
        """
        with self._lock():
            self._require_ownership(claim)
            self._set_attributes(claim, attributes)
            self._storage.set_trial_system_attr(claim.trial_id, FROZEN, {"at": time.time()})
            self._requeue(claim.trial_id)

    def hopeless(self, budget: Budget) -> list[str]:
        """The folders of the frozen trials that will not be promoted, whatever further trials reach."""
        if self.halving is None or budget.trials is None:
            return []
        most = budget.left(0, self._attributes())
        trials = self.halving.hopeless(self._trials().read(), self.study.direction, most)
        return [str(trial.user_attrs.get("folder", trial.number)) for trial in trials]

    def retire_frozen(self) -> None:
        """Ends all frozen trials as pruned, when the sweep is over."""
        with self._lock():
            for trial in filter(is_frozen, self._trials().unfinished):
                value = trial.intermediate_values.get(trial.last_step or 0, math.nan)
                values = None if math.isnan(value) else [value]
                self._storage.set_trial_state_values(trial_id(trial), TrialState.PRUNED, values)

    def fail(self, claim: Claim, error: str, retries: int) -> bool:
        """Ends the trial as failed, or requeues it; returns whether it has ended.

        Args:
            retries: how many failures of a trial lead to another try.

        Raises:
            LostOwnership: as `report`.
        """
        with self._lock():
            failures = self._require_ownership(claim).get(FAILURES, 0) + 1
            self._storage.set_trial_system_attr(claim.trial_id, FAILURES, failures)
            self._set_attributes(claim, {"error": error})
            if failures <= retries:
                self._requeue(claim.trial_id)
                return False
            self.study.tell(claim.number, state=TrialState.FAIL)
            return True

    def release(self, claim: Claim) -> None:
        """Requeues the trial of a worker that was asked to stop; this is no failure of the trial.

        Raises:
            LostOwnership: as `report`.
        """
        with self._lock():
            self._require_ownership(claim)
            self._requeue(claim.trial_id)

    def requeue_dead(self) -> list[int]:
        """Requeues trials of dead workers and returns their numbers."""
        with self._lock():
            return self._requeue_dead(self._dead(self._trials().unfinished))

    def revoke(self, number: int, error: str) -> Identity | None:
        """Ends a running trial as failed, against its owner, and returns that owner."""
        with self._lock():
            for trial in _running(self._trials().unfinished):
                if trial.number == number:
                    owner = trial.system_attrs.get(OWNER)
                    self._storage.set_trial_user_attr(trial_id(trial), "error", error)
                    self.study.tell(number, state=TrialState.FAIL)
                    return dict(owner) if owner else None
        return None

    def _take(self, trial_id: int, number: int, resumed: bool) -> Claim:
        self._storage.set_trial_system_attr(trial_id, OWNER, self._identity())
        self._claimed.add(trial_id)
        return Claim(trial_id, number, resumed)

    def _unanswered(self, trials: Iterable[FrozenTrial]) -> Claim | None:
        """A trial that the database gave to this process in a call whose answer was lost."""
        for trial in _running(trials):
            owner = trial.system_attrs.get(OWNER) or {}
            if owner.get("token") == self._token and trial_id(trial) not in self._claimed:
                self._claimed.add(trial_id(trial))
                return Claim(trial_id(trial), trial.number, resumed=True)
        return None

    def _set_attributes(self, claim: Claim, attributes: Mapping[str, Any]) -> None:
        for name, value in attributes.items():
            self._storage.set_trial_user_attr(claim.trial_id, name, value)

    def _requeue(self, trial_id: int) -> None:
        owner = self._storage.get_trial(trial_id).system_attrs.get(OWNER) or {}
        self._storage.set_trial_system_attr(trial_id, OWNER, {"name": owner.get("name", ""), "token": None})
        self._storage.set_trial_state_values(trial_id, TrialState.WAITING)

    def _dead(self, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
        """Those that run and whose worker is dead.

        A claim is made under the lock: a running trial without an owner lost its worker within it.
        """
        owned = [(trial, trial.system_attrs.get(OWNER) or {}) for trial in _running(trials)]
        return [trial for trial, owner in owned if owner.get("token") is None or self._is_dead(owner)]

    def _requeue_dead(self, dead: Iterable[FrozenTrial]) -> list[int]:
        """Called under the lock. A trial that lost too many workers in a row is failed instead."""
        requeued = []
        for trial in dead:
            deaths = trial.system_attrs.get(DEATHS, 0) + 1
            self._storage.set_trial_system_attr(trial_id(trial), DEATHS, deaths)
            if deaths < self._most_deaths:
                self._requeue(trial_id(trial))
                requeued.append(trial.number)
                continue
            error = (
                f"its worker ended without a message {deaths} times in a row, without a new epoch in between "
                "(sweep.failures); too little memory?"
            )
            self._storage.set_trial_user_attr(trial_id(trial), "error", error)
            self.study.tell(trial.number, state=TrialState.FAIL)
        return requeued

    def _may_start(self, started: int, budget: Budget, trials: TrialsNow) -> bool:
        left = budget.left(started, self._attributes())
        if left <= 0 or budget.over(self._attributes(), trials.read):
            return False
        return not budget.settled(lambda: snapshot(self.study), left)

    def _trials(self) -> TrialsNow:
        return trials_now(self._storage, self._id)


def _running(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state is TrialState.RUNNING]


def _was_started(trial: FrozenTrial) -> bool:
    """Whether a worker had it before; it is then continued, whatever the budget says."""
    return OWNER in trial.system_attrs
