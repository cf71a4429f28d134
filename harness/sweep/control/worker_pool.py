"""The workers that one command has launched, and those that replace them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from harness.core.error_text import described
from harness.sweep.study.trial_queue import TrialQueue
from harness.sweep.worker.claim_loop import WorkerOutcome


@dataclass
class _Launch:
    """One call of the launcher, which returns only when all of its jobs have ended."""

    jobs: range
    thread: threading.Thread | None = None
    returned: Sequence[JobReturn] | None = None
    error: BaseException | None = None

    @property
    def over(self) -> bool:
        return self.returned is not None or self.error is not None


@dataclass(frozen=True)
class WorkerCount:
    """How many workers there are.

    working   workers with a recent heartbeat
    starting  workers that were launched and have sent no heartbeat yet
    """

    working: int
    starting: int

    @property
    def total(self) -> int:
        return self.working + self.starting


class WorkerPool:
    """Launches workers, counts them by their heartbeats in the study, and replaces those that died.

    A launcher's call blocks until the last of its jobs has ended, and some launchers never return when a job
    is killed. So the pool follows the study, and each call has a thread of its own that nothing waits for.

    Args:
        launcher: whose jobs are workers.
        job_overrides: the overrides of a job's configuration, by its number.
        launch: identifies this command's workers.
        size: workers at a time.
        most_futile: workers per slot that may die, one after the other, without any progress of a trial.
    """

    def __init__(
        self,
        launcher: Launcher,
        job_overrides: Callable[[int], list[str]],
        launch: str,
        size: int,
        queue: TrialQueue,
        most_futile: int = 5,
    ) -> None:
        self._launcher = launcher
        self._job_overrides = job_overrides
        self._launch = launch
        self._queue = queue
        self._most_futile = most_futile
        self._launches: list[_Launch] = []
        self._next = 0
        self._futile = 0
        self._gone: set[int] = set()
        self._progress: Any = None
        self.size = size
        self.errors: list[str] = []

    def launch(self, count: int) -> None:
        """Launches so many workers and returns at once."""
        launch = self._new(count)
        launch.thread = threading.Thread(target=self._call, args=(launch,), name="launch", daemon=True)
        launch.thread.start()

    def work_in_process(self) -> WorkerOutcome | None:
        """Launches one worker in this thread and returns when it has ended."""
        launch = self._new(1)
        self._call(launch)
        if launch.error is not None:
            raise launch.error
        value = _value(launch.returned[0]) if launch.returned else None
        if isinstance(value, Exception):
            raise value
        return value if isinstance(value, WorkerOutcome) else None

    def count(self) -> WorkerCount:
        """Counts the workers, and notes why those that have ended did so."""
        heartbeats = self._queue.workers()
        working = starting = 0
        for launch in self._launches:
            for job in launch.jobs:
                if job in self._gone:
                    continue
                heartbeat = heartbeats.get(f"{self._launch}-{job}")
                if heartbeat is not None and heartbeat["state"] == "working" and not heartbeat["dead"]:
                    working += 1  # it counts even where its launcher has lost it
                elif heartbeat is None and not launch.over:
                    starting += 1
                else:
                    self._gone.add(job)
                    self._note_end(launch, job, heartbeat)
        return WorkerCount(working, starting)

    def replace(self, claimable: int, progress: Any) -> None:
        """Launches as many workers as are missing and have a trial to run.

        Args:
            progress: any value that changes when a trial makes progress.
        """
        if progress != self._progress:
            self._progress, self._futile = progress, 0
        missing = min(self.size - self.count().total, claimable)
        if missing > 0 and self._futile <= self._most_futile * self.size:
            self.launch(missing)

    @property
    def lost(self) -> bool:
        """Whether no worker is left and none will be launched any more."""
        return self.count().total == 0 and (self.size <= 0 or self._futile > self._most_futile * self.size)

    def _new(self, count: int) -> _Launch:
        launch = _Launch(range(self._next, self._next + count))
        self._next += count
        self._launches.append(launch)
        return launch

    def _call(self, launch: _Launch) -> None:
        try:
            overrides = [self._job_overrides(job) for job in launch.jobs]
            launch.returned = self._launcher.launch(overrides, initial_job_idx=launch.jobs.start)
        except BaseException as error:  # its workers may still live; the study shows whether they do
            launch.error = error

    def _note_end(self, launch: _Launch, job: int, heartbeat: dict[str, Any] | None) -> None:
        """Decides whether a worker that has ended is to be replaced, and keeps its error."""
        reason = None if heartbeat is None else heartbeat.get("reason")
        if heartbeat is not None and reason == "failures":
            self.size -= 1
            self.errors.append(f"worker {heartbeat['name']} stopped: {heartbeat.get('error')}")
        elif reason is None:
            self._futile += 1
            error = _launcher_error(launch, job)
            if error:
                self.errors.append(f"a worker ended without a message: {error}")


def _launcher_error(launch: _Launch, job: int) -> str | None:
    """The error that the launcher returned for a job; None where there is none, or not yet."""
    if launch.error is not None:
        return described(launch.error)
    if launch.returned is None:
        return None
    returned = launch.returned[job - launch.jobs.start]
    if returned.status is JobStatus.COMPLETED:
        return None
    value = _value(returned)
    return described(value) if isinstance(value, BaseException) else str(value)


def _value(returned: JobReturn) -> Any:
    """The value or the error of a job. Hydra's public property would also print the error."""
    return returned._return_value
