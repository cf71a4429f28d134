"""Worker: takes trials from the study until there are none left to begin."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import threading
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from harness.core.errors import Diverged, Interrupted, Pruned, UserError, sentence
from harness.runs.journal import JOURNAL, Journal
from harness.runs.run_result import Result
from harness.runtime.distributed import share, world
from harness.runtime.secret_values import Secrets
from harness.runtime.stop_signals import Stop
from harness.sweep.launch.child_process import spawn
from harness.sweep.study.constraints import read_constraints, violations
from harness.sweep.study.database_retry import retry_database
from harness.sweep.study.objectives import UndefinedScore, values
from harness.sweep.study.pruning import build_pruner
from harness.sweep.study.sampling import build_sampler, draws_depend_on_each_other
from harness.sweep.study.study_lock import study_lock
from harness.sweep.study.study_storage import load_or_create, open_storage
from harness.sweep.study.trial_queue import MOST_DEATHS, Claim, LostOwnership, TrialQueue
from harness.sweep.worker.heartbeat import Heartbeat
from harness.sweep.worker.sweep_spec import SweepSpec
from harness.sweep.worker.trial_run import TimedOut, TrialAssignment, run_trial, test

_ALIKE = (Pruned, Diverged, TimedOut, UserError, UndefinedScore)
"""What befalls all processes of torchrun at the same step."""


@dataclass(frozen=True)
class WorkerOutcome:
    """How a worker ended.

    reason  "done": nothing is left to begin; "failures": too many in a row; "recycle": its process is to be
            replaced; "stopped": it was asked to
    trials  how many it has ended
    signum  the signal that stopped it
    error   the last failure
    """

    reason: str
    trials: int = 0
    signum: int | None = None
    error: str | None = None


class Worker:
    """What a launcher calls in place of a run. It can be pickled.

    Args:
        spec: of the sweep.
        limit: trials after which it leaves; None: no limit.
        job: which job of its launch it is; None: the launcher tells.
    """

    def __init__(self, spec: SweepSpec, limit: int | None = None, job: int | None = None) -> None:
        self.spec = spec
        self.limit = limit
        self.job = job

    def __call__(self, cfg: DictConfig | None = None) -> WorkerOutcome:
        """Works; the configuration of the job itself is of no account."""
        spec = self.spec
        if spec.here.is_dir():
            os.chdir(spec.here)
        os.environ["HARNESS_COMMAND"] = spec.token
        _hear_the_time_limit()
        job = HydraConfig.get().job.num if self.job is None else self.job
        apart = 1 if spec.settings.isolate else spec.settings.recycle
        if self.limit is None and apart is not None:
            return _in_children(spec, apart, job)
        return _Shift(spec, job, self.limit).work()


def _hear_the_time_limit() -> None:
    """SLURM's warning that the job's time is up ends the worker kindly; another job will take its place."""
    if "SUBMITIT_EXECUTOR" in os.environ and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR2, lambda number, frame: signal.raise_signal(signal.SIGTERM))


def _in_children(spec: SweepSpec, limit: int, job: int) -> WorkerOutcome:
    """Has the trials done by children, each for `limit` of them; a child that dies is replaced."""
    done, deaths = 0, 0
    log = spec.root / "workers" / str(job) / "child.log"
    with Stop() as stop, Heartbeat(_ledger(spec, job), spec.settings.lease, spec.launch) as heart:
        while True:
            child = spawn(Worker(spec, limit, job), dict(os.environ), log)
            try:
                outcome = child.wait()
            except Interrupted:
                child.terminate()
                child.wait(60)
                heart.facts = {"reason": "stopped"}
                return WorkerOutcome("stopped", done, stop.signum)
            left = outcome.value if isinstance(outcome.value, WorkerOutcome) else None
            deaths = 0 if left else deaths + 1
            if left is not None:
                done += left.trials
            elif deaths >= MOST_DEATHS * spec.settings.failures:  # what so many failed trials take
                left = WorkerOutcome("failures", error=str(outcome.error))
            if left is not None and left.reason != "recycle":
                heart.facts = {"reason": left.reason, "error": left.error}
                return replace(left, trials=done)


def _ledger(spec: SweepSpec, job: int, below: str = "") -> TrialQueue:
    """The study's ledger, for this process; `below` tells a worker's child from the worker."""
    study = load_or_create(open_storage(spec.place.url, spec.root), spec.place.study, spec.objectives)
    lock = study_lock(spec.place.url, spec.root, spec.place.study)
    name = f"{socket.gethostname()}-{job}"
    return TrialQueue(study, lock, name, spec.settings.lease, f"{spec.launch}-{job}{below}")


def follow(spec: SweepSpec) -> None:
    """Trains, and at the end tests, along with rank 0, which alone owns the study, until that one closes."""
    while (order := _told_by_rank_0()) is not None:
        with suppress(*_ALIKE):  # rank 0 writes it down
            if order.test:
                test(spec, order)
            else:
                run_trial(spec, order, report=lambda step, value: False, seen=lambda *epoch: None)


def _told_by_rank_0() -> TrialAssignment | None:
    told: Any = share(None)
    order: TrialAssignment | None = told
    return order


class _Shift:
    """One process's work: a claim after the other."""

    def __init__(self, spec: SweepSpec, job: int, limit: int | None) -> None:
        self.spec = spec
        self.limit = limit
        self.ledger = _ledger(spec, job, "" if limit is None else "-child")
        self.study = self.ledger.study
        units = spec.folds * spec.settings.repeat
        self.pruner = build_pruner(spec.pruner, spec.epochs, units, spec.settings.axis)
        self.constraints = read_constraints(spec.settings.constraints)
        self.in_a_row = 0
        self.error: str | None = None

    def work(self) -> WorkerOutcome:
        done = 0
        with Stop() as stop, Heartbeat(self.ledger, self.spec.settings.lease, self.spec.launch) as heart:
            left = WorkerOutcome("done")
            try:
                while claim := self._next():
                    heart.facts = {"trial": claim.number}
                    self._go(claim, heart)
                    heart.facts = {}
                    done += 1
                    if self.in_a_row >= self.spec.settings.failures:
                        told = (
                            f"{self.in_a_row} trials in a row failed (sweep.failures); the last: {self.error}"
                        )
                        left = WorkerOutcome("failures", error=told)
                        break
                    if self.limit is not None and done >= self.limit:
                        left = WorkerOutcome("recycle")
                        break
            except Interrupted as error:
                left = WorkerOutcome("stopped", signum=stop.signum or error.signum)
            left = replace(left, trials=done, error=left.error or self.error)
            heart.facts = {"reason": left.reason, "error": left.error}
        return left

    def _next(self) -> Claim | None:
        if retry_database(lambda: self.ledger.stopped(self.spec.launch)) is not None:
            return None  # a job that waited in a queue until after the word to stop
        return retry_database(lambda: self.ledger.claim(self.spec.budget))

    def _go(self, claim: Claim, heart: Heartbeat) -> None:
        """Runs a claimed trial and tells what came of it."""
        masked = Secrets(None, list(self.spec.space.fixed))
        try:
            self._run(claim, heart)
            self.in_a_row = 0
        except Pruned as pruned:
            self.in_a_row = 0
            self.ledger.prune(claim, {"pruned": str(pruned)})
        except LostOwnership:
            return
        except (Interrupted, KeyboardInterrupt):
            self.ledger.release(claim)
            raise
        except Exception as error:
            if world() > 1 and not isinstance(error, _ALIKE):
                self.ledger.release(claim)
                raise  # the processes of torchrun are no longer in step
            self.in_a_row += 1
            self.error = masked.text(sentence(_told(error)))
            again = self.spec.settings.retries if _may_pass(error) else 0
            if self.ledger.fail(claim, self.error, again) and self.spec.settings.fail_fast:
                self.ledger.stop(f"trial {claim.number} failed, and sweep.fail_fast=true: {self.error}")

    def _run(self, claim: Claim, heart: Heartbeat) -> None:
        order = self._order(claim)
        share(order)

        def report(step: int, value: float) -> bool:
            return retry_database(lambda: self.ledger.report(claim, step, value))

        def seen(epoch: int, epochs: int, value: float | None) -> None:
            if claim.again and value is None and "epoch" not in heart.facts:
                retry_database(lambda: self.ledger.advance(claim))
            heart.facts = {"trial": claim.number, "epoch": [epoch, epochs], "value": value}

        results = run_trial(self.spec, order, report, seen)
        found = values(self.spec.objectives, results)
        scores = _means(results)
        held = violations(self.constraints, results)
        facts = {"scores": scores, "seconds": sum(result.seconds for result in results)}
        retry_database(lambda: self.ledger.complete(claim, found, facts, held))

    def _order(self, claim: Claim) -> TrialAssignment:
        """The trial's point, asked of the sampler unless it is known, as words."""
        spec = self.spec
        self.study._thread_local.cached_all_trials = None
        self.study.pruner = self.pruner or optuna.pruners.NopPruner()
        self.study.sampler = build_sampler(spec.sampler, spec.settings.seed, claim.number)
        trial = optuna.trial.Trial(self.study, claim.trial_id)
        with self.ledger.turn() if draws_depend_on_each_other(self.study.sampler) else nullcontext():
            point = spec.space.suggest(trial)
        words = spec.composer.whole([*spec.space.fixed, *spec.space.words(point)])
        known = self.study._storage.get_trial(claim.trial_id)
        folder = self._folder(claim, known.user_attrs.get("folder", str(claim.number)))
        return TrialAssignment(claim.number, tuple(words), folder, dict(known.intermediate_values))

    def _folder(self, claim: Claim, folder: str) -> str:
        """The trial's folder; another one where a worker that was thought dead still writes to it."""
        if claim.again and any(
            map(_busy, [self.spec.root / folder, *(self.spec.root / folder).glob("seed-*")])
        ):
            folder = f"{claim.number}-{secrets.token_hex(2)}"
            self.ledger.note(claim, {"folder": folder})
        return folder


def _busy(folder: Path) -> bool:
    """Whether a living process goes on with the run in that folder."""
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
    return {name: sum(found) / len(found) for name, found in means.items() if None not in found}


def _told(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    known = isinstance(error, UserError | Diverged | TimedOut | UndefinedScore)
    return text if known else f"{type(error).__name__}: {text}"


def _may_pass(error: Exception) -> bool:
    """Whether another try from the checkpoint could end otherwise."""
    return not isinstance(error, UserError | Diverged | TimedOut | UndefinedScore)
