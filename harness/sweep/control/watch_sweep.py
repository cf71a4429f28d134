"""Watch: what the command does while its workers work."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any

import optuna
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from harness.config.instantiate import build
from harness.runs.journal import alive
from harness.runtime.secret_values import Secrets
from harness.sweep.control.mlflow_parent import MlflowParentRun
from harness.sweep.control.worker_pool import WorkerPool
from harness.sweep.display.progress_board import ProgressBoard
from harness.sweep.study.database_retry import retry_database
from harness.sweep.study.read_snapshot import snapshot
from harness.sweep.study.snapshot import Snapshot
from harness.sweep.study.trial_queue import TrialQueue
from harness.sweep.worker.sweep_spec import SweepSpec

_LOOK = 0.5
"""Seconds between two looks at the study."""

_KIND = 60.0
"""Seconds in which workers that were asked to stop write their checkpoints."""


class SweepWatcher:
    """Looks at the study twice a second: releases the trials of the dead, replaces workers, shows the table.

    `with Watch(…) as watch`: within it the board and MLflow's parent run are open.
    """

    def __init__(
        self, spec: SweepSpec, study: optuna.Study, ledger: TrialQueue, crew: WorkerPool, config: DictConfig
    ) -> None:
        self.spec, self.study, self.ledger, self.crew = spec, study, ledger, crew
        own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        self.secrets = Secrets(own, list(spec.typed))
        self.board = ProgressBoard()
        tracking = build(config.tracking, "tracking")
        self.parent = MlflowParentRun(spec.root, spec.place.study, tracking)
        self.error: str | None = None
        self._config = config
        self._told = 0
        self._began = time.monotonic()
        self._before = self.look().ended

    def __enter__(self) -> SweepWatcher:
        settings = self.secrets.texts(self.secrets.config["sweep"])
        space = {dimension.key: dimension.told for dimension in self.spec.space.dimensions}
        self.parent.start(space, settings, {"command": self.command})
        self.board.opening(self._facts(), self.look())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.board.close()

    @property
    def command(self) -> str:
        """What was typed, without its secrets."""
        from harness.runtime.provenance import command

        return command(["-m", *self.spec.options, *(self.secrets.text(word) for word in self.spec.typed)])

    @property
    def seconds(self) -> float:
        """Since this command began to watch."""
        return time.monotonic() - self._began

    @property
    def left(self) -> int:
        """How many trials could be begun now."""
        return self.ledger.claimable(self.spec.budget)

    def look(self) -> Snapshot:
        """How the study stands; of several objectives, which cannot be reported, by what the workers tell."""
        epochs = self.spec.epochs if self.spec.settings.axis == "epochs" else None  # else steps are folds
        now = snapshot(self.study, self.spec.trials, epochs)
        if len(now.objectives) == 1:
            return now
        told = {worker.get("trial"): worker.get("epoch") for worker in self.ledger.workers().values()}
        rows = []
        for row in now.rows:
            progress = told.get(row.number) if row.state == "running" else None
            rows.append(row if progress is None else replace(row, progress=tuple(progress)))
        return replace(now, rows=tuple(rows))

    def trouble(self, error: str) -> None:
        """Something that the sweep did not get over."""
        self.error = self.secrets.text(error)
        self.board.note(self.error)

    def until_over(self) -> None:
        """Comes back when nothing runs and nothing is left to begin, or nobody is there to do it."""
        while not retry_database(self._turn):
            time.sleep(_LOOK)

    def until_needed(self) -> bool:
        """Waits for trials that run elsewhere; whether there is something to do again."""
        while True:
            running = retry_database(self._glance).count("running")
            if self.left > 0:
                return True
            if running == 0:
                return False
            time.sleep(_LOOK)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Watches in another thread, while this one works."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_LOOK):
                with suppress(Exception):  # a look that failed is followed by another
                    self._glance()

        thread = threading.Thread(target=watch, name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._glance()

    def dismiss(self, launcher: Launcher) -> None:
        """Asks this command's workers to end kindly, and waits for them."""
        self.board.note("stopping: each worker ends its step and writes a checkpoint")
        stop = getattr(launcher, "stop", None)
        if stop is not None:
            stop()
        else:
            self.ledger.stop("the command was stopped", self.spec.launch)
        until = time.monotonic() + _KIND
        while time.monotonic() < until:
            head = self.crew.count()
            if head.working == 0:
                break
            time.sleep(_LOOK)
        self.ledger.requeue_dead()
        self._glance()

    def _turn(self) -> bool:
        """One look at everything; whether the sweep is over."""
        now = self._glance()
        self._time_out(now)
        stopped = self.ledger.stopped()
        if stopped is not None and self.error is None:
            self.trouble(stopped)
            self.ledger.stop(stopped, self.spec.launch)  # what runs elsewhere is not waited for
        left = self.left
        running = now.count("running")
        if running == 0 and left == 0:
            return True
        self.crew.replace(left, (now.ended, sum(len(row.reports) for row in now.rows)))
        self._hear()
        if not self.crew.lost:
            return False
        if self.error is None:
            self.trouble(
                "no worker is left to go on; " + (self.crew.errors or ["they ended without a word."])[-1]
            )
        return True

    def _hear(self) -> None:
        """What the crew has to say about workers that are gone."""
        for error in self.crew.errors[self._told :]:
            self.board.note(self.secrets.text(error))
        self._told = len(self.crew.errors)

    def _glance(self) -> Snapshot:
        buried = self.ledger.requeue_dead()
        for number in buried:
            self.board.note(f"the worker of trial {number} is dead; the trial waits for another")
        now = self.look()
        self.board.show(now, self._time_left(now))
        self.parent.see(now)
        return now

    def _time_left(self, now: Snapshot) -> float | None:
        """Seconds, from the pace since this command began."""
        by_time = None if self.spec.until is None else max(0.0, self.spec.until - time.time())
        done = now.ended - self._before
        if self.spec.trials is None or done == 0:
            return by_time
        pace = self.seconds / done * max(0, self.spec.trials - now.ended)
        return pace if by_time is None else min(pace, by_time)

    def _time_out(self, now: Snapshot) -> None:
        """A trial that hangs does not end itself at the end of an epoch."""
        minutes = self.spec.settings.timeout
        if minutes is None:
            return
        for row in now.rows:
            if row.state != "running" or row.begun is None:
                continue
            if (datetime.now() - row.begun).total_seconds() < 90 * minutes + 60:
                continue
            error = f"it took longer than sweep.timeout={minutes:g} minutes, and hung."
            owner = self.ledger.revoke(row.number, error)
            if owner is not None and alive(owner) and owner["pid"] != os.getpid():
                with suppress(OSError):
                    os.kill(owner["pid"], signal.SIGKILL)

    def _facts(self) -> dict[str, str]:
        spec = self.spec
        ways = ", ".join(f"{entry.name} ({entry.direction}d)" for entry in spec.objectives)
        return {
            "sweep": spec.place.study,
            **{f"  {dimension.key}": dimension.told for dimension in spec.space.dimensions},
            "objective": ways,
            "budget": _budget(spec),
            "workers": f"{spec.settings.workers}, {self._launcher}",
            "files": str(spec.root),
        }

    @property
    def _launcher(self) -> str:
        choices: Any = self._config.hydra.runtime.choices
        return f"hydra/launcher={choices.get('hydra/launcher')}"


def _budget(spec: SweepSpec) -> str:
    parts = [f"{spec.trials} trials" if spec.trials != 1 else "1 trial"] if spec.trials is not None else []
    if spec.settings.hours is not None:
        parts.append(f"{spec.settings.hours:g} hours")
    if spec.settings.stagnation is not None:
        parts.append(f"until {spec.settings.stagnation} trials in a row are no better")
    if spec.settings.repeat > 1:
        parts.append(f"{spec.settings.repeat} seeds each")
    return ", ".join(parts)
