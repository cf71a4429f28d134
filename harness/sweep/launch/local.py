"""Jobs on this machine: in this process where there is one slot, else each in a process of its own."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, configure_log, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from harness.core.errors import Interrupted, UserError
from harness.sweep.launch.child_process import Child, spawn
from harness.sweep.launch.job_slots import Slots, environment, gpus, share_gpus, threads_each
from harness.sweep.launch.launcher_job import Job, compose, failed, not_begun, work, work_apart

_GRACE = 20.0
"""Seconds between asking the processes to end and making them."""


def check(workers: int, gpus: float | None, threads: int | None) -> None:
    """Whether the settings of `hydra.launcher` make sense.

    Raises:
        UserError: one does not.
    """
    if workers < 1:
        raise UserError(
            f"hydra.launcher.workers must be at least 1, got {workers}",
            key="hydra.launcher.workers",
            value=workers,
        )
    if threads is not None and threads < 1:
        raise UserError(
            f"hydra.launcher.threads must be at least 1, or null, got {threads}",
            key="hydra.launcher.threads",
            value=threads,
        )
    if gpus is not None and (gpus < 0 or (gpus > 1 and gpus != int(gpus))):
        raise UserError(
            f"hydra.launcher.gpus must be a whole number, a fraction below 1, or null, got {gpus:g}",
            key="hydra.launcher.gpus",
            value=gpus,
        )


class Local:
    """The jobs of one launcher; `launch` may be called from several threads, which share the slots.

    Args:
        workers: how many jobs run at a time.
        each: GPUs per slot; None: those there are, evenly.
        threads: CPU threads per slot; None: the cores there are, evenly.

    Raises:
        UserError: there are fewer GPUs than needed.
    """

    def __init__(
        self,
        context: HydraContext,
        config: DictConfig,
        task: TaskFunction,
        workers: int,
        each: float | None,
        threads: int | None,
    ) -> None:
        self._context, self._config, self._task = context, config, task
        self.in_process = workers == 1 and each is None and threads is None
        self._workers = workers
        self._threads = threads or threads_each(workers)
        self._gpus = None if self.in_process else share_gpus(gpus(), workers, each)
        self._slots = Slots(workers)
        self._composing = threading.Lock()
        self._children: set[Child[JobReturn]] = set()
        # Re-entrant: a signal may come, and stop the jobs, while the main thread holds it.
        self._changing = threading.RLock()
        self._stopped = False

    def launch(self, overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        """Runs a job for each list of overrides; returns their results in the same order.

        Raises:
            Interrupted: SIGTERM came while the main thread was here; the processes have ended.
            KeyboardInterrupt: Ctrl-C, likewise.
        """
        setup_globals()
        if self.in_process:
            return [self._run(list(words), number) for number, words in enumerate(overrides, start=first)]
        with self._composing:  # Hydra's configuration is one for the whole process while it is made
            jobs = [
                compose(self._context, self._config, list(words), number, self._task)
                for number, words in enumerate(overrides, start=first)
            ]
        returns: list[JobReturn] = [JobReturn() for _ in jobs]
        queue = deque(enumerate(jobs))
        # Events, because a join that Ctrl-C interrupts may take a running thread for an ended one.
        ends = [threading.Event() for _ in range(min(len(jobs), self._workers))]
        with self._ending_in_order(ends):
            for end in ends:
                threading.Thread(target=self._serve, args=(queue, returns, end), daemon=True).start()
            for end in ends:
                end.wait()
        return returns

    def stop(self) -> None:
        """Asks every job to end (SIGTERM) and begins no other; `launch` returns once they have."""
        with self._changing:
            self._stopped = True
            for child in self._children:
                child.terminate()

    def _run(self, words: list[str], number: int) -> JobReturn:
        if self._stopped:
            return failed(words, not_begun())
        job = compose(self._context, self._config, words, number, self._task)
        returned = work(self._context, job, self._task)
        configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)  # the job's was its own
        return returned

    def _serve(self, queue: deque[tuple[int, Job]], returns: list[JobReturn], end: threading.Event) -> None:
        """Takes job after job of the queue into a slot."""
        while True:
            try:
                place, job = queue.popleft()
            except IndexError:
                break
            with self._slots.one() as slot:
                try:
                    returns[place] = self._run_apart(job, slot)
                except Exception as error:  # e.g. no process can be started; the other jobs go on
                    returns[place] = failed(job.words, error, job.config)
        end.set()

    def _run_apart(self, job: Job, slot: int) -> JobReturn:
        given = environment(slot, self._threads, self._gpus)
        doing = partial(work_apart, self._context, job, self._task, Singleton.get_state())
        with self._changing:
            if self._stopped:
                return failed(job.words, not_begun(), job.config)
            child: Child[JobReturn] = spawn(doing, given, job.folder / "worker.log")
            self._children.add(child)
        outcome = child.wait()
        with self._changing:
            self._children.discard(child)
        if outcome.error is not None:
            return failed(job.words, outcome.error, job.config)
        return outcome.result()

    @contextmanager
    def _ending_in_order(self, ends: list[threading.Event]) -> Iterator[None]:
        """Within it, a signal to the main thread ends the jobs first, and then the launch."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        heard: list[int] = []

        def hear(number: int, frame: FrameType | None) -> None:
            heard.append(number)
            self.stop()

        before = signal.signal(signal.SIGTERM, hear)
        try:
            yield
        except KeyboardInterrupt:
            # The terminal has sent it to the jobs as well. A second signal would cut a checkpoint short.
            self._wind_up(ends)
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
        if heard:
            raise Interrupted(heard[0])

    def _wind_up(self, ends: list[threading.Event]) -> None:
        """Waits for the jobs to end, then asks them to, then makes them."""
        with self._changing:
            self._stopped = True
        for more in (self.stop, self._kill, lambda: None):
            for end in ends:
                end.wait(_GRACE / len(ends))
            more()

    def _kill(self) -> None:
        with self._changing:
            for child in self._children:
                child.kill()
