"""A worker: claims trials and runs them until none is left to start."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import threading
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from harness.core.errors import Interrupted, Pruned, sentence
from harness.runs.journal import JOURNAL, Journal
from harness.runs.run_result import Result
from harness.runtime.distributed import broadcast, world
from harness.runtime.frozen_memory import frozen_memory
from harness.runtime.inner_path import inner
from harness.runtime.secret_values import Secrets
from harness.runtime.stop_signals import Stop, keep_signals
from harness.sweep.launch.child_process import spawn
from harness.sweep.study.constraints import read_constraints, violations
from harness.sweep.study.database_retry import Patience, StorageLost
from harness.sweep.study.objectives import values
from harness.sweep.study.optuna_internals import forget_cached_trials, storage_of
from harness.sweep.study.pruning import build_pruner
from harness.sweep.study.sampling import build_sampler, draws_depend_on_each_other
from harness.sweep.study.study_lock import study_lock
from harness.sweep.study.study_storage import label_of, load_or_create, open_storage
from harness.sweep.study.trial_claim import Claim, LostOwnership
from harness.sweep.study.trial_queue import TrialQueue
from harness.sweep.worker.heartbeat import Heartbeat
from harness.sweep.worker.kept_models import KeptModels
from harness.sweep.worker.sweep_spec import SweepSpec
from harness.sweep.worker.trial_errors import COMMON_ERRORS, described_failure, may_pass_next_time
from harness.sweep.worker.trial_run import TrialAssignment, run_trial, test_trial


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


class Worker:
    """The task that a launcher calls in place of a run. It can be pickled.

    Args:
        spec: of the sweep.
        limit: trials after which it ends; None: no limit.
        job: its number in the launch; None: the launcher sets it in Hydra's configuration.
    """

    def __init__(self, spec: SweepSpec, limit: int | None = None, job: int | None = None) -> None:
        self.spec = spec
        self.limit = limit
        self.job = job

    def __call__(self, cfg: DictConfig | None = None) -> WorkerOutcome:
        """Works; the configuration of the job itself is ignored."""
        spec = self.spec
        if spec.working_directory.is_dir():
            os.chdir(spec.working_directory)
        os.environ["HARNESS_COMMAND"] = spec.token
        _stop_at_slurms_warning()
        job = HydraConfig.get().job.num if self.job is None else self.job
        apart = 1 if spec.settings.isolate else spec.settings.recycle
        if self.limit is None and apart is not None:
            return _in_children(spec, apart, job)
        return _ClaimLoop(spec, job, self.limit).work()


def _stop_at_slurms_warning() -> None:
    """Treats SLURM's warning that the job's time is up as SIGTERM; the pool launches another job."""
    if "SUBMITIT_EXECUTOR" in os.environ and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR2, lambda number, frame: signal.raise_signal(signal.SIGTERM))


def _in_children(spec: SweepSpec, limit: int, job: int) -> WorkerOutcome:
    """Runs the trials in child processes, `limit` in each; a child that dies is replaced."""
    done, deaths = 0, 0
    log = spec.folder / "workers" / str(job) / "child.log"
    patience = Patience(spec.settings.patience, label=label_of(spec.location.url))
    queue = _open_queue(spec, job, patience)
    with Stop() as stop, Heartbeat(queue, spec.settings.lease, spec.launch, patience) as heartbeat:
        while True:
            child = spawn(Worker(spec, limit, job), dict(os.environ), log)
            try:
                outcome = child.wait()
            except Interrupted:
                patience.give_up()
                child.terminate()
                child.wait(60)
                heartbeat.attributes = {"reason": "stopped"}
                return WorkerOutcome("stopped", done, stop.signum)
            ended = outcome.value if isinstance(outcome.value, WorkerOutcome) else None
            deaths = 0 if ended else deaths + 1
            if ended is not None:
                done += ended.trials
            elif deaths >= spec.settings.failures**2:
                # A trial fails after `sweep.failures` deaths, and a worker ends after as many failed trials.
                ended = WorkerOutcome("failures", error=str(outcome.error))
            if ended is not None and ended.reason != "recycle":
                heartbeat.attributes = {"reason": ended.reason, "error": ended.error}
                return replace(ended, trials=done)


def _open_queue(spec: SweepSpec, job: int, patience: Patience, suffix: str = "") -> TrialQueue:
    """The trial queue for this process; `suffix` distinguishes a worker's child from the worker."""

    def load() -> optuna.Study:
        storage = open_storage(spec.location.url, spec.folder)
        return load_or_create(storage, spec.location.study, spec.objectives)

    study = patience.wait(load)
    lock = study_lock(spec.location.url, spec.folder, spec.location.study)
    name = f"{socket.gethostname()}-{job}"
    presence = f"{spec.launch}-{job}{suffix}"
    return TrialQueue(study, lock, name, spec.settings.lease, presence, spec.settings.failures)


def follow(spec: SweepSpec) -> None:
    """Trains and tests what rank 0 assigns, which alone uses the study, until rank 0 closes the sweep."""
    while (assignment := _next_of_rank_0()) is not None:
        with suppress(*COMMON_ERRORS):  # rank 0 records the error
            if assignment.test:
                test_trial(spec, assignment)
            else:
                run_trial(spec, assignment, report=lambda step, value: False, on_epoch=lambda *epoch: None)


def _next_of_rank_0() -> TrialAssignment | None:
    received: Any = broadcast(None)
    assignment: TrialAssignment | None = received
    return assignment


class _ClaimLoop:
    """The claims of one process, one after the other."""

    def __init__(self, spec: SweepSpec, job: int, limit: int | None) -> None:
        self.spec = spec
        self.limit = limit
        self.patience = Patience(
            spec.settings.patience,
            label=label_of(spec.location.url),
            recovered=lambda: self.queue.lease.forget(),
        )
        self.queue = _open_queue(spec, job, self.patience, "" if limit is None else "-child")
        self.study = self.queue.study
        units = spec.folds * spec.settings.repeat
        self.pruner = build_pruner(spec.pruner, spec.epochs, units, spec.settings.axis)
        self.constraints = read_constraints(spec.settings.constraints)
        self.kept = KeptModels(spec.settings.keep, spec.objectives, spec.folder)
        self.in_a_row = 0
        self.error: str | None = None

    def work(self) -> WorkerOutcome:
        done = 0
        lease, launch = self.spec.settings.lease, self.spec.launch
        heartbeat = Heartbeat(self.queue, lease, launch, self.patience)
        with Stop() as stop, heartbeat, frozen_memory():
            outcome = WorkerOutcome("done")
            try:
                while claim := self._next():
                    heartbeat.attributes = {"trial": claim.number}
                    self._work_on(claim, heartbeat)
                    heartbeat.attributes = {}
                    done += 1
                    if self.in_a_row >= self.spec.settings.failures:
                        error = (
                            f"{self.in_a_row} trials in a row failed (sweep.failures); the last: {self.error}"
                        )
                        outcome = WorkerOutcome("failures", error=error)
                        break
                    if self.limit is not None and done >= self.limit:
                        outcome = WorkerOutcome("recycle")
                        break
            except Interrupted as interrupted:
                outcome = WorkerOutcome("stopped", signum=stop.signum or interrupted.signum)
            outcome = replace(outcome, trials=done, error=outcome.error or self.error)
            heartbeat.attributes = {"reason": outcome.reason, "error": outcome.error}
        return outcome

    def _next(self) -> Claim | None:
        if self.patience.wait(lambda: self.queue.stop_reason(self.spec.launch)) is not None:
            return None  # the job waited in a cluster's queue until after the request to stop
        return self.patience.wait(lambda: self.queue.claim(self.spec.budget))

    def _work_on(self, claim: Claim, heartbeat: Heartbeat) -> None:
        """Runs a claimed trial and stores how it ended.

        Raises:
            StorageLost: the database stayed away; the trial is requeued when this process has ended.
        """
        with suppress(LostOwnership):
            try:
                with keep_signals():
                    self._run(claim, heartbeat)
                self.in_a_row = 0
            except Pruned as pruned:
                self.in_a_row = 0
                attributes = {"pruned": str(pruned)}
                self.patience.wait(lambda: self.queue.prune(claim, attributes))
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

    def _release(self, claim: Claim) -> None:
        with suppress(LostOwnership, StorageLost):
            self.patience.wait(lambda: self.queue.release(claim))

    def _fail(self, claim: Claim, error: Exception) -> None:
        masked = Secrets(None, list(self.spec.space.fixed))
        self.in_a_row += 1
        message = self.error = masked.text(sentence(described_failure(error)))
        retries = self.spec.settings.retries if may_pass_next_time(error) else 0
        ended = self.patience.wait(lambda: self.queue.fail(claim, message, retries))
        if ended and self.spec.settings.fail_fast:
            reason = f"trial {claim.number} failed, and sweep.fail_fast=true: {message}"
            self.patience.wait(lambda: self.queue.stop(reason))

    def _run(self, claim: Claim, heartbeat: Heartbeat) -> None:
        assignment = self.patience.wait(lambda: self._assignment(claim))
        broadcast(assignment)
        unsent: list[tuple[int, float]] = []

        def report(step: int, value: float) -> bool:
            unsent.append((step, value))  # while the database is away, the training goes on
            return self.patience.attempt(send, False)

        def send() -> bool:
            stops = False
            while unsent:
                stops = self.queue.report(claim, *unsent[0])
                del unsent[0]
            return stops

        def on_epoch(epoch: int, epochs: int, value: float | None, total: int) -> None:
            # Several objectives are not reported, so progress has to be noted here.
            if claim.resumed and value is None:
                self.patience.attempt(lambda: self.queue.note_progress(claim, total), None)
            heartbeat.attributes = {"trial": claim.number, "epoch": [epoch, epochs], "value": value}

        admits = partial(self.kept.admits, claim.number)
        results = run_trial(self.spec, assignment, report, on_epoch, admits)
        reached = values(self.spec.objectives, results)
        scores = _means(results)
        violated = violations(self.constraints, results)
        attributes = {"scores": scores, "seconds": sum(result.seconds for result in results)}
        self.patience.wait(send)
        self.patience.wait(lambda: self.queue.complete(claim, reached, attributes, violated))
        if not any(amount > 0 for amount in violated.values()):
            self.kept.add(claim.number, reached, assignment.folder)

    def _assignment(self, claim: Claim) -> TrialAssignment:
        """The trial's point, drawn by the sampler unless it is known, as overrides."""
        spec = self.spec
        forget_cached_trials(self.study)
        self.study.pruner = self.pruner or optuna.pruners.NopPruner()
        self.study.sampler = build_sampler(spec.sampler, spec.settings.seed, claim.number)
        trial = optuna.trial.Trial(self.study, claim.trial_id)
        with self.queue.exclusive() if draws_depend_on_each_other(self.study.sampler) else nullcontext():
            point = spec.space.suggest(trial)
        overrides = spec.composer.whole([*spec.space.fixed, *spec.space.words(point)])
        known = storage_of(self.study).get_trial(claim.trial_id)
        folder = self._folder(claim, known.user_attrs.get("folder", str(claim.number)))
        return TrialAssignment(claim.number, tuple(overrides), folder, dict(known.intermediate_values))

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
