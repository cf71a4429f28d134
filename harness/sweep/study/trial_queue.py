"""Ledger: who runs which trial. Every claim, report and result passes through here, under the study's lock.

A trial belongs to the process that claimed it until it ends or that process is dead; nobody else can report
or tell of it. So a worker that was thought dead and comes back changes nothing, the budget is met exactly,
and a trial whose worker was killed waits for the next with its number, its parameters and its folder.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from harness.runs.journal import alive, writer
from harness.sweep.study.read_snapshot import OWNER, snapshot

Lock = Callable[[], AbstractContextManager[None]]
Identity = Mapping[str, Any]

FAILURES = "harness:failures"
DEATHS = "harness:deaths"
STOP = "harness:stop"
WORKER = "harness:worker:"

MOST_DEATHS = 5
"""Workers that a trial may lose one after the other, without an epoch between them."""

_UNFINISHED = (TrialState.WAITING, TrialState.RUNNING)


class LostOwnership(Exception):
    """The trial belongs to another worker by now: this one was thought dead."""


@dataclass(frozen=True)
class Claim:
    """A trial that is this process's to run.

    again  whether another attempt was made before, whose folder and checkpoints are there
    """

    trial_id: int
    number: int
    again: bool


@dataclass(frozen=True)
class Budget:
    """When no further trial is begun.

    trials      that may be begun in all; None: no limit
    stagnation  trials in a row without a better one
    until       seconds since the epoch
    """

    trials: int | None = None
    stagnation: int | None = None
    until: float | None = None


class TrialQueue:
    """One process's view of who runs what.

    Args:
        study: whose storage holds everything; any process may make a ledger of it.
        lock: mutual exclusion among all processes of the study; it is not re-entrant.
        name: what the worker is called on the screen.
        lease: seconds without a sign of life after which a worker of another machine counts as dead.
        presence: the key of the worker's own sign of life, see `beat`.
    """

    def __init__(
        self, study: optuna.Study, lock: Lock, name: str = "", lease: float = 60.0, presence: str = ""
    ) -> None:
        self.study = study
        self.name = name
        self._storage = study._storage
        self._id = study._study_id
        self._lock = lock
        self._lease = lease
        self._presence = presence
        self._token = uuid.uuid4().hex
        self._beats: dict[str, tuple[Any, float]] = {}

    def claim(self, budget: Budget) -> Claim | None:
        """The next trial: one that waits for its continuation, else the next of the queue, else a new one.

        None: nothing is left to begin, for now at least; a trial that runs elsewhere may come back.
        """
        with self._lock():
            self._requeue_dead()
            if self.stopped() is not None:
                return None
            waiting = self._trials(TrialState.WAITING)
            begun = self._count() - sum(not _begun(trial) for trial in waiting)
            for trial in sorted(waiting, key=lambda trial: (not _begun(trial), trial.number)):
                if _begun(trial) or self._may_begin(begun, budget):
                    self._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
                    return self._own(trial._trial_id, trial.number, _begun(trial))
            if not self._may_begin(begun, budget):
                return None
            trial_id = self._storage.create_new_trial(self._id)
            return self._own(trial_id, self._storage.get_trial_number_from_id(trial_id), False)

    def claimable(self, budget: Budget) -> int:
        """How many trials `claim` would give now, one after the other; at most 1,000."""
        with self._lock():
            if self.stopped() is not None:
                return 0
            waiting = self._trials(TrialState.WAITING)
            again = sum(map(_begun, waiting))
            begun = self._count() - len(waiting) + again
            if not self._may_begin(begun, budget):
                return again
            return again + (1000 if budget.trials is None else budget.trials - begun)

    def report(self, claim: Claim, step: int, value: float) -> bool:
        """Writes down a value of the trial's curve; whether the pruner would end it here.

        Raises:
            Disowned: the trial is another worker's.
        """
        with self._lock():
            self._require(claim)
            self._storage.set_trial_intermediate_value(claim.trial_id, step, value)
            self._forgive(claim)
        return self.study.pruner.prune(self.study, self._storage.get_trial(claim.trial_id))

    def advance(self, claim: Claim) -> None:
        """The trial got further, of which nothing can be reported.

        Raises:
            Disowned: as `report`.
        """
        with self._lock():
            self._require(claim)
            self._forgive(claim)

    def turn(self) -> AbstractContextManager[None]:
        """The study's lock, for a sampler whose draws hang on each other; nothing else is asked within."""
        return self._lock()

    def note(self, claim: Claim, facts: Mapping[str, Any]) -> None:
        """Plain values about the trial, as its user attributes.

        Raises:
            Disowned: as `report`.
        """
        with self._lock():
            self._require(claim)
            self._note(claim, facts)

    def complete(
        self,
        claim: Claim,
        values: Sequence[float],
        facts: Mapping[str, Any],
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """The trial came to its end with one value per objective.

        Args:
            constraints: by name, at most 0 where it holds.

        Raises:
            Disowned: as `report`.
        """
        with self._lock():
            self._require(claim)
            for name, violation in (constraints or {}).items():
                optuna.trial.Trial(self.study, claim.trial_id).set_constraint(name, violation)
            self._note(claim, facts)
            self.study.tell(claim.number, list(values), TrialState.COMPLETE)

    def prune(self, claim: Claim, facts: Mapping[str, Any]) -> None:
        """The trial was ended early.

        Raises:
            Disowned: as `report`.
        """
        with self._lock():
            self._require(claim)
            self._note(claim, facts)
            self.study.tell(claim.number, state=TrialState.PRUNED)

    def fail(self, claim: Claim, error: str, retries: int) -> bool:
        """The trial raised; whether that was its end, or it waits for another try.

        Raises:
            Disowned: as `report`.
        """
        with self._lock():
            failures = self._require(claim).get(FAILURES, 0) + 1
            self._storage.set_trial_system_attr(claim.trial_id, FAILURES, failures)
            self._note(claim, {"error": error})
            if failures <= retries:
                self._let_go(claim.trial_id)
                return False
            self.study.tell(claim.number, state=TrialState.FAIL)
            return True

    def release(self, claim: Claim) -> None:
        """The worker was asked to stop: the trial waits for another, and does not count.

        Raises:
            Disowned: as `report`.
        """
        with self._lock():
            self._require(claim)
            self._let_go(claim.trial_id)

    def requeue_dead(self) -> list[int]:
        """Releases the trials of dead workers; their numbers."""
        with self._lock():
            return self._requeue_dead()

    def revoke(self, number: int, error: str) -> Identity | None:
        """Ends a running trial from outside, as failed; its owner, who can no longer tell of it."""
        with self._lock():
            for trial in self._trials(TrialState.RUNNING):
                if trial.number == number:
                    owner = trial.system_attrs.get(OWNER)
                    self._storage.set_trial_user_attr(trial._trial_id, "error", error)
                    self.study.tell(number, state=TrialState.FAIL)
                    return dict(owner) if owner else None
        return None

    def stop(self, reason: str | None, launch: str = "") -> None:
        """No further trial is begun; None takes it back. With `launch`, those workers end kindly, now."""
        self.study.set_user_attr(f"{STOP}:{launch}" if launch else STOP, reason)

    def stopped(self, launch: str = "") -> str | None:
        """Why no trial is begun any more, or why the workers of a launch are to end."""
        found = self._attributes().get(f"{STOP}:{launch}" if launch else STOP)
        return None if found is None else str(found)

    def beat(self, state: Literal["working", "left"], facts: Mapping[str, Any] | None = None) -> None:
        """A sign of life of this worker, which changes with every call."""
        told = {**self._identity(), "state": state, "beat": time.time(), **(facts or {})}
        self.study.set_user_attr(WORKER + self._presence, told)

    def workers(self) -> dict[str, dict[str, Any]]:
        """What every worker last told, by the key of its presence; `dead` is added."""
        found = {
            key.removeprefix(WORKER): told
            for key, told in self._attributes().items()
            if key.startswith(WORKER)
        }
        return {key: {**told, "dead": self._dead(told)} for key, told in found.items()}

    def _own(self, trial_id: int, number: int, again: bool) -> Claim:
        self._storage.set_trial_system_attr(trial_id, OWNER, self._identity())
        return Claim(trial_id, number, again)

    def _identity(self) -> dict[str, Any]:
        return {**writer(), "token": self._token, "name": self.name, "presence": self._presence}

    def _require(self, claim: Claim) -> dict[str, Any]:
        """The trial's attributes, if it is still this process's."""
        trial = self._storage.get_trial(claim.trial_id)
        owner = trial.system_attrs.get(OWNER) or {}
        if trial.state is not TrialState.RUNNING or owner.get("token") != self._token:
            raise LostOwnership(f"trial {claim.number} was given to another worker.")
        return trial.system_attrs

    def _note(self, claim: Claim, facts: Mapping[str, Any]) -> None:
        for name, value in facts.items():
            self._storage.set_trial_user_attr(claim.trial_id, name, value)

    def _forgive(self, claim: Claim) -> None:
        """An epoch came between: the workers that the trial lost so far do not speak against it."""
        if self._storage.get_trial(claim.trial_id).system_attrs.get(DEATHS):
            self._storage.set_trial_system_attr(claim.trial_id, DEATHS, 0)

    def _let_go(self, trial_id: int) -> None:
        owner = self._storage.get_trial(trial_id).system_attrs.get(OWNER) or {}
        self._storage.set_trial_system_attr(trial_id, OWNER, {"name": owner.get("name", ""), "token": None})
        self._storage.set_trial_state_values(trial_id, TrialState.WAITING)

    def _requeue_dead(self) -> list[int]:
        """Under the lock. A trial that killed one worker after the other is failed instead."""
        released = []
        for trial in self._trials(TrialState.RUNNING):
            owner = trial.system_attrs.get(OWNER) or {}
            # Claims are made under the lock: what runs for nobody was being claimed as its worker died.
            if owner.get("token") is not None and not self._dead(owner):
                continue
            deaths = trial.system_attrs.get(DEATHS, 0) + 1
            self._storage.set_trial_system_attr(trial._trial_id, DEATHS, deaths)
            if deaths < MOST_DEATHS:
                self._let_go(trial._trial_id)
                released.append(trial.number)
                continue
            error = (
                f"its worker was killed {deaths} times in a row without an epoch between; too little memory?"
            )
            self._storage.set_trial_user_attr(trial._trial_id, "error", error)
            self.study.tell(trial.number, state=TrialState.FAIL)
        return released

    def _dead(self, who: Identity) -> bool:
        """Of this machine, the system knows; elsewhere, silence for as long as the lease is a death."""
        here = alive(who)
        if here is not None:
            return not here
        told = self._attributes().get(WORKER + str(who.get("presence")))
        beat = None if told is None else (told.get("token"), told["beat"])
        known, since = self._beats.get(who["token"], (None, None))
        if since is None or known != beat:
            self._beats[who["token"]] = beat, time.monotonic()
            return False
        return time.monotonic() - since > self._lease

    def _may_begin(self, begun: int, budget: Budget) -> bool:
        if budget.trials is not None and begun >= budget.trials:
            return False
        if budget.until is not None and time.time() >= budget.until:
            return False
        return budget.stagnation is None or self._stagnant() < budget.stagnation

    def _stagnant(self) -> int:
        """How many trials have ended since the last of the best, as they stand."""
        now = snapshot(self.study)
        best = {row.number for row in now.best}
        places = [place for place, row in enumerate(now.history, start=1) if row.number in best]
        return len(now.history) - max(places, default=0)

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self._storage.get_all_trials(self._id, deepcopy=False, states=states)

    def _count(self) -> int:
        return self._storage.get_n_trials(self._id)

    def _attributes(self) -> dict[str, Any]:
        return self._storage.get_study_user_attrs(self._id)


def _begun(trial: FrozenTrial) -> bool:
    """Whether somebody has had it: then it is continued whatever the budget says."""
    return OWNER in trial.system_attrs
