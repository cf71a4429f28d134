"""Crew: the workers that one command has launched, and those that take the place of the dead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from harness.sweep.study.trial_queue import TrialQueue
from harness.sweep.worker.worker_loop import WorkerOutcome

_FUTILE = 3
"""Workers per slot that may end, one after the other, while no trial gets any further."""


@dataclass
class _Launch:
    """One call of the launcher, which gives back nothing until all of its jobs have ended."""

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

    working  with a sign of life
    coming   launched, and not heard of yet
    """

    working: int
    coming: int


class WorkerPool:
    """Launches workers, counts them by what they tell the study, and replaces those that died.

    A launcher's call blocks until the last of its jobs is over, and some never come back when one of them is
    killed. So it is the study that is waited for, and each call has a thread of its own, which nobody joins.

    Args:
        launcher: whose jobs are workers.
        words: of a job's configuration.
        launch: names this command's workers.
        size: workers at a time.
    """

    def __init__(
        self,
        launcher: Launcher,
        words: Callable[[int], list[str]],
        launch: str,
        size: int,
        ledger: TrialQueue,
    ) -> None:
        self._launcher = launcher
        self._words = words
        self._launch = launch
        self._ledger = ledger
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
        """Launches one worker in this thread, and comes back when it has left."""
        launch = self._new(1)
        self._call(launch)
        if launch.error is not None:
            raise launch.error
        value = launch.returned[0]._return_value if launch.returned else None
        if isinstance(value, Exception):
            raise value
        return value if isinstance(value, WorkerOutcome) else None

    def count(self) -> WorkerCount:
        """Looks at every worker; notes why those that are gone have left."""
        told = self._ledger.workers()
        working = coming = 0
        for launch in self._launches:
            for job in launch.jobs:
                if job in self._gone:
                    continue
                known = told.get(f"{self._launch}-{job}")
                if known is not None and known["state"] == "working" and not known["dead"]:
                    working += 1  # perhaps its launcher lost sight of it, but it lives
                elif known is None and not launch.over:
                    coming += 1
                else:
                    self._gone.add(job)
                    self._part(launch, job, known)
        return WorkerCount(working, coming)

    def replace(self, claimable: int, progress: Any) -> None:
        """Launches as many workers as are missing and have something to do.

        Args:
            progress: anything that changes when a trial gets further.
        """
        if progress != self._progress:
            self._progress, self._futile = progress, 0
        head = self.count()
        missing = min(self.size - head.working - head.coming, claimable)
        if missing > 0 and self._futile <= _FUTILE * self.size:
            self.launch(missing)

    @property
    def lost(self) -> bool:
        """Whether no worker is left, and none will be launched any more."""
        head = self.count()
        return head.working + head.coming == 0 and (self.size <= 0 or self._futile > _FUTILE * self.size)

    def _new(self, count: int) -> _Launch:
        launch = _Launch(range(self._next, self._next + count))
        self._next += count
        self._launches.append(launch)
        return launch

    def _call(self, launch: _Launch) -> None:
        try:
            words = [self._words(job) for job in launch.jobs]
            launch.returned = self._launcher.launch(words, initial_job_idx=launch.jobs.start)
        except BaseException as error:  # a launcher that breaks down leaves its workers to the study
            launch.error = error

    def _part(self, launch: _Launch, job: int, known: dict[str, Any] | None) -> None:
        """A worker is gone: whether another should come, and what it has to say."""
        reason = None if known is None else known.get("reason")
        if known is not None and reason == "failures":
            self.size -= 1
            self.errors.append(f"worker {known['name']} stopped: {known.get('error')}")
        elif reason is None:
            self._futile += 1
            error = _error(launch, job)
            if error:
                self.errors.append(f"a worker ended without a word: {error}")


def _error(launch: _Launch, job: int) -> str | None:
    """What the launcher knows of a job that failed."""
    if launch.error is not None:
        return f"{type(launch.error).__name__}: {launch.error}"
    if launch.returned is None:
        return None
    returned = launch.returned[job - launch.jobs.start]
    if returned.status is JobStatus.COMPLETED:
        return None
    value = returned._return_value
    return f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else str(value)
