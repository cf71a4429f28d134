"""The claims of a worker: trials that it runs one after another, or trains as one."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import optuna

from harness.core.errors import Frozen, Interrupted, Pruned, sentence
from harness.runs.journal import JOURNAL, Journal
from harness.runs.run_result import Result
from harness.runs.trial import Keeps
from harness.runtime.energy_meter import EnergyMeter
from harness.runtime.frozen_memory import frozen_memory
from harness.runtime.garbage_collection import TrialGarbage
from harness.runtime.inner_path import inner
from harness.runtime.process_group import broadcast, world
from harness.runtime.secret_values import Secrets
from harness.runtime.stop_signals import Stop, keep_signals
from harness.sweep.study.constraints import read_constraints, violations
from harness.sweep.study.database_retry import Patience, StorageLost
from harness.sweep.study.earlier_trials import EarlierTrials, learns_from_values
from harness.sweep.study.noise_stop import SCORE_ERROR
from harness.sweep.study.objectives import values
from harness.sweep.study.optuna_internals import no_trials, seen_by_samplers, storage_of
from harness.sweep.study.sampling import build_sampler, draws_depend_on_each_other
from harness.sweep.study.study_lock import study_lock
from harness.sweep.study.study_storage import label_of, load_or_create, open_storage
from harness.sweep.study.successive_halving import is_frozen, stopped_step
from harness.sweep.study.sweep_cost import COST, Cost, cost_metrics, cost_of
from harness.sweep.study.sweep_settings import tariff_of
from harness.sweep.study.trial_claim import Claim, LostOwnership
from harness.sweep.study.trial_queue import TrialQueue
from harness.sweep.worker.epoch_reports import EpochReports
from harness.sweep.worker.heartbeat import Heartbeat
from harness.sweep.worker.kept_models import Keep, KeptModels
from harness.sweep.worker.sweep_spec import SweepSpec
from harness.sweep.worker.trial_assignment import TrialAssignment
from harness.sweep.worker.trial_errors import COMMON_ERRORS, described_failure, may_pass_next_time
from harness.sweep.worker.trial_meter import TrialMeter

_FREEZES_PER_LOOK = 50
"""A look reads all trials of the study. After N trials there is one in N / 50 freezes, so that its share of
the price of a freeze does not grow with the study."""


@dataclass(frozen=True)
class WorkerOutcome:
    """How a worker ended.

    reason  "done": no trial is left to start; "failures": too many failed in a row; "recycle": its process is
            to be replaced; "stopped": it was stopped
    trials  how many it has ended
    signum  the signal that stopped it
    error   the last failure
    """

    reason: str
    trials: int = 0
    signum: int | None = None
    error: str | None = None


class ClaimLoop:
    """The claims of one process."""

    def __init__(self, spec: SweepSpec, job: int, limit: int | None) -> None:
        self.spec = spec
        self.limit = limit
        self.patience = Patience(
            spec.settings.patience,
            label=label_of(spec.location.url),
            recovered=lambda: self.queue.lease.forget(),
        )
        self.queue = open_queue(spec, job, self.patience, "" if limit is None else "-child")
        self.study = self.queue.study
        self.reports = EpochReports(self.queue, self.patience)
        self.pruner = spec.new_pruner()
        self.queue.halving = spec.halving
        # Their names were checked before the sweep began.
        self.constraints = read_constraints(spec.settings.constraints, lambda name, key: None)
        self.kept = KeptModels(spec.settings.keep, spec.objectives, spec.folder)
        most: Keep = "all" if spec.keeps_checkpoints else spec.settings.extendable
        self.resumable = KeptModels(most, spec.objectives, spec.folder, spec.runner.forget)
        self.freed: set[str] = set()  # folders of frozen trials that nothing can promote, emptied already
        self._frozen = 0  # trials since the last look for such
        self.earlier = EarlierTrials(spec.earlier, spec.space.distributions(), spec.objectives)
        self.in_a_row = self.done = 0
        self.error: str | None = None
        self.meter = TrialMeter(EnergyMeter() if spec.measures_energy else None)
        self.garbage = TrialGarbage()

    def work(self) -> WorkerOutcome:
        heartbeat = Heartbeat(self.queue, self.spec.settings.lease, self.spec.launch, self.patience)
        with Stop() as stop, heartbeat, frozen_memory():
            try:
                if self.spec.joint:
                    outcome = self._work_jointly(stop, heartbeat)
                else:
                    outcome = self._work_in_turn(heartbeat)
            except Interrupted as interrupted:
                outcome = WorkerOutcome("stopped", signum=stop.signum or interrupted.signum)
            outcome = replace(outcome, trials=self.done, error=outcome.error or self.error)
            heartbeat.attributes = {"reason": outcome.reason, "error": outcome.error}
        return outcome

    def _work_in_turn(self, heartbeat: Heartbeat) -> WorkerOutcome:
        while self._ends() is None and (claim := self._next()):
            self._work_on(claim, heartbeat)
        return self._ends() or WorkerOutcome("done")

    def _work_jointly(self, stop: Stop, heartbeat: Heartbeat) -> WorkerOutcome:
        """Trains `slots` trials as one; where one ends, the next takes its place while the others go on."""
        from harness.runtime.isolation import isolated
        from harness.trainer.fused.joint_runs import JointRuns

        joint = JointRuns(stop, self.reports.settle)
        with isolated():
            try:
                while True:
                    while self._may_start(joint) and (claim := self._next()):
                        joint.start(partial(self._work_on, claim, heartbeat, joint))
                    if joint.count == 0:
                        break
                    joint.advance()
                    if any(not isinstance(error, Interrupted) for error in joint.errors):
                        joint.cancel()
            except Interrupted:
                joint.finish()
                raise
            finally:
                joint.cancel()
        for error in sorted(joint.errors, key=lambda error: isinstance(error, Interrupted)):
            raise error
        return self._ends() or WorkerOutcome("done")

    def _may_start(self, joint: Any) -> bool:
        """Whether there is a place for another trial."""
        limit = self.spec.slots if self.limit is None else min(self.spec.slots, self.limit - self.done)
        return not joint.errors and self._ends() is None and joint.count < limit and joint.has_room

    def _ends(self) -> WorkerOutcome | None:
        """Why no further trial is started; None where one may be."""
        if self.in_a_row >= self.spec.settings.failures:
            error = f"{self.in_a_row} trials in a row failed (sweep.failures); the last: {self.error}"
            return WorkerOutcome("failures", error=error)
        if self.limit is not None and self.done >= self.limit:
            return WorkerOutcome("recycle")
        return None

    def _next(self) -> Claim | None:
        if self.patience.wait(lambda: self.queue.stop_reason(self.spec.launch)) is not None:
            return None  # the job waited in a cluster's queue until after the request to stop
        return self.patience.wait(lambda: self.queue.claim(self.spec.budget))

    def _work_on(self, claim: Claim, heartbeat: Heartbeat, joint: Any = None) -> None:
        """Runs a claimed trial and stores how it ended.

        Args:
            joint: the `JointRuns` of other trials, with which it is trained; None: it is trained alone.

        Raises:
            StorageLost: the database stayed away; the trial is requeued when this process has ended.
        """
        heartbeat.attributes = {"trial": claim.number}
        with suppress(LostOwnership):
            try:
                with keep_signals():
                    self._run(claim, heartbeat, joint)
                self.in_a_row = 0
            except Pruned as pruned:
                self.in_a_row = 0
                self._prune(claim, pruned)
            except (LostOwnership, StorageLost):
                raise
            except (Interrupted, KeyboardInterrupt):
                self.patience.give_up()
                self._release(claim)
                raise
            except Exception as error:
                if world() > 1 and not isinstance(error, COMMON_ERRORS):
                    self._release(claim)
                    raise  # one process alone failed: the processes of torchrun are no longer in step
                self._fail(claim, error)
            finally:
                self.meter.end(claim.number)
                self.reports.forget(claim)
        heartbeat.attributes = {}
        self.done += 1
        self.garbage.collect(alone=joint is None)

    def _charge(self, claim: Claim, cost: Cost | None) -> None:
        """Stores what the trial has used; None: nothing new."""
        if cost is not None:
            self.patience.wait(lambda: self.queue.set_attributes(claim, {COST: cost.as_dict()}))

    def _costs(self, number: int) -> Mapping[str, float]:
        """The metrics of what a trial that runs has used."""
        return cost_metrics(self.meter.used(number), tariff_of(self.spec.settings, self.spec.apart))

    def _release(self, claim: Claim) -> None:
        with suppress(LostOwnership, StorageLost):
            self.patience.wait(partial(self.reports.send_own, claim))
            self._charge(claim, self.meter.end(claim.number))
            self.patience.wait(lambda: self.queue.release(claim))

    def _prune(self, claim: Claim, pruned: Pruned) -> None:
        attributes = {"pruned": str(pruned)}
        self._charge(claim, self.meter.end(claim.number))
        if not isinstance(pruned, Frozen):
            self.patience.wait(lambda: self.queue.prune(claim, attributes))
            return
        self.patience.wait(lambda: self.queue.freeze(claim, attributes))
        self._frozen += 1
        if self._frozen * _FREEZES_PER_LOOK >= claim.number:
            self._frozen = 0
            self._free_checkpoints()

    def _free_checkpoints(self) -> None:
        """Removes the checkpoints of the frozen trials that nothing can promote."""
        hopeless = set(self.patience.wait(lambda: self.queue.hopeless(self.spec.budget)))
        for folder in hopeless - self.freed:
            inner(self.spec.folder, folder)  # a study in a database can be written by others
            self.spec.runner.forget(self.spec.folder / folder)
        self.freed |= hopeless

    def _fail(self, claim: Claim, error: Exception) -> None:
        masked = Secrets(None, list(self.spec.space.fixed))
        self.in_a_row += 1
        self._charge(claim, self.meter.end(claim.number))
        message = self.error = masked.text(sentence(described_failure(error)))
        retries = self.spec.settings.retries if may_pass_next_time(error) else 0
        ended = self.patience.wait(lambda: self.queue.fail(claim, message, retries))
        if ended and self.spec.settings.fail_fast:
            reason = f"trial {claim.number} failed, and sweep.fail_fast=true: {message}"
            self.patience.wait(lambda: self.queue.stop(reason))

    def _run(self, claim: Claim, heartbeat: Heartbeat, joint: Any) -> None:
        assignment = self.patience.wait(lambda: self._assignment(claim))
        sampler = self.study.sampler
        broadcast(assignment)

        def report(step: int, value: float) -> bool:
            # A pruner compares a value with those that others have reported by now.
            waits = self.pruner is None and joint is not None and joint.within_epoch
            return self.reports.report(claim, step, value, waits)

        def on_epoch(epoch: int, epochs: int, value: float | None, total: int) -> None:
            # Several objectives are not reported, so progress has to be noted here.
            if claim.resumed and value is None:
                self.patience.attempt(lambda: self.queue.note_progress(claim, total), None)
            heartbeat.attributes = {"trial": claim.number, "epoch": [epoch, epochs], "value": value}
            self.patience.attempt(lambda: self._charge(claim, self.meter.now_and_then(claim.number)), None)

        keeps = Keeps(
            lambda scores: assignment.default or self.kept.admits(claim.number, scores),
            partial(self.resumable.admits, claim.number),
        )
        results = self.spec.runner.run(
            self.spec, assignment, report, on_epoch, keeps, joint, lambda: self._costs(claim.number)
        )
        reached = values(self.spec.objectives, results)
        scores = _means(results)
        violated = violations(self.constraints, results)
        attributes: dict[str, Any] = {"scores": scores, "seconds": sum(result.seconds for result in results)}
        if self.spec.budget.noise:
            from harness.sweep.worker.stored_outputs import score_error  # it imports torch

            home = self.spec.folder / assignment.folder
            attributes[SCORE_ERROR] = score_error(home, results, self.spec.objectives[0].name)
        self.patience.wait(partial(self.reports.send_own, claim))
        self._charge(claim, self.meter.end(claim.number))
        self.study.sampler = sampler  # not that of another trial, which was claimed meanwhile
        self.patience.wait(lambda: self.queue.complete(claim, reached, attributes, violated))
        if not any(amount > 0 for amount in violated.values()):
            if not assignment.default:
                self.kept.add(claim.number, reached, assignment.folder)
            self.resumable.add(claim.number, reached, assignment.folder)

    def _assignment(self, claim: Claim) -> TrialAssignment:
        """The trial's point, drawn by the sampler unless it is known, as overrides."""
        spec = self.spec
        self.study.pruner = self.pruner or optuna.pruners.NopPruner()
        self.study.sampler = build_sampler(
            spec.sampler, spec.settings.seed, self.earlier.drawn + claim.number
        )
        earlier = self.earlier.seen if learns_from_values(self.study.sampler) else no_trials
        trial = optuna.trial.Trial(seen_by_samplers(self.study, is_frozen, earlier), claim.trial_id)
        with self.queue.exclusive() if draws_depend_on_each_other(self.study.sampler) else nullcontext():
            point = spec.space.suggest(trial)
        overrides = spec.runner.whole([*spec.space.fixed, *spec.space.words(point)])
        known = storage_of(self.study).get_trial(claim.trial_id)
        self.meter.begin(claim.number, cost_of(known.user_attrs))
        folder = self._folder(claim, known.user_attrs.get("folder", str(claim.number)))
        halt = stopped_step(known)
        thawed = bool(spec.allowed) or (spec.halving is not None and claim.resumed and halt is None)
        reported = dict(known.intermediate_values)
        default = bool(spec.default) and dict(point) == dict(spec.default)
        return TrialAssignment(
            claim.number, tuple(overrides), folder, reported, halt=halt, thawed=thawed, default=default
        )

    def _folder(self, claim: Claim, folder: str) -> str:
        """The trial's folder; a new one where a worker taken for dead still writes to the old one."""
        inner(self.spec.folder, folder)  # a study in a database can be written by others
        if claim.resumed and any(
            map(_busy, [self.spec.folder / folder, *(self.spec.folder / folder).glob("seed-*")])
        ):
            folder = f"{claim.number}-{secrets.token_hex(2)}"
            self.queue.set_attributes(claim, {"folder": folder})
        return folder


def _busy(folder: Path) -> bool:
    """Whether a living process writes the journal of the run in that folder."""
    if not (folder / JOURNAL).exists():
        return False
    journal = Journal(folder)
    try:
        return not journal.claim()
    finally:
        journal.close()


def _means(results: list[Result]) -> dict[str, float]:
    """Every score's mean over the repeats."""
    names = [name for name in results[0].scores if all(name in result.scores for result in results)]
    means = {name: [result.scores[name]["mean"] for result in results] for name in names}
    return {name: sum(values) / len(values) for name, values in means.items() if None not in values}


def open_queue(spec: SweepSpec, job: int, patience: Patience, suffix: str = "") -> TrialQueue:
    """The trial queue for this process; `suffix` distinguishes a worker's child from the worker."""

    def load() -> optuna.Study:
        storage = open_storage(spec.location.url, spec.folder)
        return load_or_create(storage, spec.location.study, spec.objectives)

    study = patience.wait(load)
    lock = study_lock(spec.location.url, spec.folder, spec.location.study)
    name = f"{socket.gethostname()}-{job}"
    presence = f"{spec.launch}-{job}{suffix}"
    return TrialQueue(study, lock, name, spec.settings.lease, presence, spec.settings.failures)
