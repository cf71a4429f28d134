"""A worker: claims trials and runs them until none is left to start."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from harness.core.errors import Interrupted
from harness.runtime.process_group import broadcast
from harness.runtime.stop_signals import Stop
from harness.sweep.launch.child_process import spawn
from harness.sweep.study.database_retry import Patience
from harness.sweep.study.study_storage import label_of
from harness.sweep.worker.claim_loop import ClaimLoop, WorkerOutcome, open_queue
from harness.sweep.worker.heartbeat import Heartbeat
from harness.sweep.worker.sweep_spec import SweepSpec
from harness.sweep.worker.trial_assignment import TrialAssignment
from harness.sweep.worker.trial_errors import COMMON_ERRORS


class Worker:
    """The task that a launcher calls in place of a run. It can be pickled.

    Args:
        spec: of the sweep.
        limit: trials after which it ends; None: no limit.
        job: its number in the launch; None: the launcher sets it in Hydra's configuration.
    """

    reads_config = False
    """A launcher of ours need not compose the configuration of the job, see `launcher_job.compose`."""

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
        return ClaimLoop(spec, job, self.limit).work()


def _stop_at_slurms_warning() -> None:
    """Treats SLURM's warning that the job's time is up as SIGTERM; the pool launches another job."""
    if "SUBMITIT_EXECUTOR" in os.environ and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR2, lambda number, frame: signal.raise_signal(signal.SIGTERM))


def _in_children(spec: SweepSpec, limit: int, job: int) -> WorkerOutcome:
    """Runs the trials in child processes, `limit` in each; a child that dies is replaced."""
    done, deaths = 0, 0
    log = spec.folder / "workers" / str(job) / "child.log"
    patience = Patience(spec.settings.patience, label=label_of(spec.location.url))
    queue = open_queue(spec, job, patience)
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


def follow(spec: SweepSpec) -> None:
    """Trains and tests what rank 0 assigns, which alone uses the study, until rank 0 closes the sweep."""
    while (assignment := _next_of_rank_0()) is not None:
        with suppress(*COMMON_ERRORS):  # rank 0 records the error
            if assignment.test:
                spec.runner.test(spec, assignment)
            else:
                spec.runner.run(
                    spec, assignment, report=lambda step, value: False, on_epoch=lambda *epoch: None
                )


def _next_of_rank_0() -> TrialAssignment | None:
    received: Any = broadcast(None)
    assignment: TrialAssignment | None = received
    return assignment
