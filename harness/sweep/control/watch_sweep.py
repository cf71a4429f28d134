"""Watches a sweep while its workers work, in the process of the command."""

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
from omegaconf import DictConfig

from harness.core.error_text import mask_errors
from harness.core.errors import Interrupted
from harness.runs.journal import alive
from harness.runtime.energy_meter import EnergyMeter
from harness.runtime.secret_values import Secrets
from harness.sweep.control.live_report import LiveReport
from harness.sweep.control.live_sweep import BUDGET, budget_of
from harness.sweep.control.mlflow_parent import MlflowParentRun
from harness.sweep.control.worker_pool import WorkerPool
from harness.sweep.display.progress_board import ProgressBoard
from harness.sweep.study.database_retry import Patience
from harness.sweep.study.noise_stop import RemainingGain, remaining_gain
from harness.sweep.study.pruning import first_step
from harness.sweep.study.read_snapshot import KnownRows, snapshot
from harness.sweep.study.snapshot import Snapshot
from harness.sweep.study.study_storage import label_of
from harness.sweep.study.sweep_cost import TIME, SweepCost
from harness.sweep.study.trial_claim import BY_HAND
from harness.sweep.study.trial_queue import TrialQueue
from harness.sweep.worker.sweep_spec import SweepSpec

_INTERVAL = 0.5
"""Seconds between two looks at the study."""

_NOTED_EVERY = 30.0
"""Seconds between two times at which the time of this command is stored."""

_STOP_PATIENCE = 60.0
"""Seconds that workers get to write their checkpoints when they are asked to stop."""


class SweepWatcher:
    """Reads the study twice a second: requeues trials of dead workers, replaces workers, shows progress.

    `with SweepWatcher(…) as watcher`: within it the display and MLflow's parent run are open.
    """

    def __init__(
        self, spec: SweepSpec, study: optuna.Study, queue: TrialQueue, pool: WorkerPool, config: DictConfig
    ) -> None:
        self.spec, self.study, self.queue, self.pool = spec, study, queue, pool
        self.secrets = Secrets(spec.runner.settings(config), list(spec.typed))
        mask_errors(self.secrets.text)
        self.display = ProgressBoard()
        label = label_of(spec.location.url)
        self.patience = Patience(spec.settings.patience, self.display.note, label, queue.lease.forget)
        tracking = spec.runner.tracking(spec, config)
        self._tags = self.secrets.texts(dict(tracking.tags))
        self.parent_run = MlflowParentRun(spec.folder, spec.location.study, tracking)
        self.live_report = LiveReport(spec)
        self.error: str | None = None
        self._config = config
        self._shown_errors = 0
        self._began = time.monotonic()
        self._noted, self._settled = 0.0, False
        self._known = KnownRows()
        self._ended_before = self.snapshot().ended

    def __enter__(self) -> SweepWatcher:
        settings = self.secrets.texts(self.secrets.config["sweep"])
        space = {dimension.key: dimension.description for dimension in self.spec.space.dimensions}
        self.parent_run.start(space, settings, {**self._tags, "command": self.command})
        self.patience.wait(lambda: self.study.set_user_attr(BUDGET, budget_of(self.spec)))
        self.display.opening(self._summary(), self.snapshot())
        if self.spec.measures_energy and not EnergyMeter().sources:
            self.display.note("the energy is not measured: neither NVML nor RAPL can be read here")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.display.close()

    @property
    def command(self) -> str:
        """The command as typed, without its secrets."""
        words = [self.secrets.text(text) for text in self.spec.typed]
        return self.spec.runner.command(words, many=True)

    @property
    def seconds(self) -> float:
        """Time since this command began to watch."""
        return time.monotonic() - self._began

    @property
    def claimable(self) -> int:
        """How many trials could be started now."""
        return self.patience.wait(lambda: self.queue.claimable(self.spec.budget))

    def snapshot(self) -> Snapshot:
        """The state of the study.

        With several objectives trials report no values; their progress is in the workers' heartbeats.
        """
        return self.patience.wait(self._snapshot)

    def _snapshot(self) -> Snapshot:
        # With axis=folds a step is a fold, so the steps say nothing about epochs.
        epochs = self.spec.epochs if self.spec.settings.axis == "epochs" else None
        now = snapshot(self.study, self.spec.trials, epochs, self.spec.compared, self._known)
        if len(now.objectives) == 1:
            return now
        epoch_of = {worker.get("trial"): worker.get("epoch") for worker in self.queue.workers().values()}
        rows = []
        for row in now.rows:
            progress = epoch_of.get(row.number) if row.state == "running" else None
            rows.append(row if progress is None else replace(row, progress=tuple(progress)))
        return replace(now, rows=tuple(rows))

    def fail(self, error: str) -> None:
        """Notes the error with which the sweep ends."""
        self.error = self.secrets.text(error)
        self.display.note(self.error)

    def wait_until_over(self) -> None:
        """Returns when no trial runs and none is left to start, or no worker is left to run one."""
        while not self.patience.wait(self._turn):
            time.sleep(_INTERVAL)

    def wait_until_claimable(self) -> bool:
        """Waits for trials that run elsewhere; returns whether one of them was requeued."""
        while True:
            running = self.patience.wait(self._update).count("running")
            if self.claimable > 0:
                return True
            if running == 0:
                return False
            time.sleep(_INTERVAL)

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Watches in another thread while this one works."""
        over = threading.Event()

        def watch() -> None:
            pause = _INTERVAL
            while not over.wait(pause):
                began = time.monotonic()
                with suppress(Exception):  # the next look tries again
                    self.patience.wait(self._update)
                    self._pass_on_stop()
                # The worker shares this process: looks at a slow database take a twentieth of its time.
                pause = max(_INTERVAL, 19 * (time.monotonic() - began))

        thread = threading.Thread(target=watch, name="watch", daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            self.patience.give_up()
            raise
        finally:
            over.set()
            thread.join()
        self.patience.wait(self._update)

    def stop_workers(self, launcher: Launcher) -> None:
        """Asks this command's workers to stop after their step, and waits for them."""
        self.display.note("stopping: each worker ends its step and writes a checkpoint")
        stop = getattr(launcher, "stop", None)
        if stop is not None:
            stop()
        else:
            self.patience.wait(lambda: self.queue.stop("the command was stopped", self.spec.launch))
        until = time.monotonic() + _STOP_PATIENCE
        while time.monotonic() < until and self.patience.wait(self.pool.count).working > 0:
            time.sleep(_INTERVAL)
        self.patience.wait(self._update)

    def _turn(self) -> bool:
        """One look at everything; returns whether the sweep is over."""
        now = self._update()
        self._end_hanging_trials(now)
        reason = self.queue.stop_reason()
        if reason == BY_HAND:
            raise Interrupted(signal.SIGTERM)
        if reason is not None and self.error is None:
            self.fail(reason)
            # Trials that still run in this command's workers are interrupted, not awaited.
            self.queue.stop(reason, self.spec.launch)
        claimable = self.claimable
        if now.count("running") == 0 and claimable == 0:
            return True
        self.pool.replace(claimable, (now.ended, sum(len(row.reports) for row in now.rows)))
        self._show_errors()
        if not self.pool.lost:
            return False
        if self.error is None:
            last = (self.pool.errors or ["they ended without a message."])[-1]
            self.fail(f"no worker is left to go on; {last}")
        return True

    def _pass_on_stop(self) -> None:
        """Lets the worker in this process stop where the sweep was stopped by hand."""
        reason = self.patience.wait(self.queue.stop_reason)
        if reason == BY_HAND:
            self.patience.wait(lambda: self.queue.stop(reason, self.spec.launch))

    def _show_errors(self) -> None:
        """Shows the errors of workers that have ended since the last look."""
        for error in self.pool.errors[self._shown_errors :]:
            self.display.note(self.secrets.text(error))
        self._shown_errors = len(self.pool.errors)

    def _update(self) -> Snapshot:
        for number in self.queue.requeue_dead():
            self.display.note(f"the worker of trial {number} is dead; the trial waits for another")
        now = self.snapshot()
        gain = self.remaining_gain(now)
        self.display.show(now, self._remaining_seconds(now), "" if gain is None else gain.sentence)
        if gain is not None and gain.is_noise and not self._settled:
            self._settled = True
            self.display.note(f"only noise is left, so no further trial is begun: {gain.sentence}")
        self.parent_run.update(now)
        self.live_report.update(now, self.command)
        if self.seconds - self._noted >= _NOTED_EVERY:
            self.note_time()
        return now

    def note_time(self) -> None:
        """Stores how long this command has worked on the sweep."""
        self._noted = self.seconds
        key, seconds = TIME + self.spec.launch, self.spec.account.own_seconds
        self.patience.wait(lambda: self.study.set_user_attr(key, seconds))

    def remaining_gain(self, now: Snapshot) -> RemainingGain | None:
        """What the trials that are left are expected to bring; None without `sweep.until=noise`."""
        return remaining_gain(now, now.waiting) if self.spec.budget.noise else None

    def cost(self, now: Snapshot) -> SweepCost:
        """What the sweep has used so far."""
        attributes = self.patience.wait(lambda: self.study.user_attrs)
        return SweepCost.of(self.spec.account, attributes, [row.cost for row in now.rows])

    def _remaining_seconds(self, now: Snapshot) -> float | None:
        """An estimate from the pace since this command began; None where nothing is known."""
        by_time = None if self.spec.until is None else max(0.0, self.spec.until - time.time())
        budget = self.spec.account.budget
        if budget is not None and budget.unit == "seconds":
            left = max(0.0, budget.amount - self.cost(now).seconds)
            by_time = left if by_time is None else min(left, by_time)
        ended = now.ended - self._ended_before
        if self.spec.trials is None or ended == 0:
            return by_time
        by_pace = self.seconds / ended * max(0, self.spec.trials - now.ended)
        return by_pace if by_time is None else min(by_pace, by_time)

    def _end_hanging_trials(self, now: Snapshot) -> None:
        """Ends trials far beyond `sweep.timeout`: one that hangs never reaches the end of an epoch."""
        minutes = self.spec.settings.timeout
        if minutes is None:
            return
        for row in now.rows:
            if row.state != "running" or row.begun is None:
                continue
            if (datetime.now() - row.begun).total_seconds() < 90 * minutes + 60:
                continue
            error = f"it took longer than sweep.timeout={minutes:g} minutes, and hung."
            owner = self.queue.revoke(row.number, error)
            if owner is not None and alive(owner) and owner["pid"] != os.getpid():
                with suppress(OSError):
                    os.kill(owner["pid"], signal.SIGKILL)

    def _summary(self) -> dict[str, str]:
        spec = self.spec
        objectives = ", ".join(f"{entry.name} ({entry.direction}d)" for entry in spec.objectives)
        choices: Any = self._config.hydra.runtime.choices
        return {
            "sweep": spec.location.study,
            **{f"  {dimension.key}": dimension.description for dimension in spec.space.dimensions},
            "objective": objectives,
            "budget": _budget(spec),
            **_pruning(spec),
            "workers": f"{spec.settings.workers}, hydra/launcher={choices.get('hydra/launcher')}",
            "files": str(spec.folder),
        }


def _pruning(spec: SweepSpec) -> dict[str, str]:
    """What a pruner compares and from which epoch on, where that was chosen for the user."""
    if spec.pruner is None:
        return {}
    parts = [] if spec.compared is None else [f"compares {spec.compared.name}"]
    if spec.pruner.get("min_resource") == "auto" and spec.settings.axis == "epochs":
        last = None if spec.epochs is None else spec.epochs + spec.folds * spec.settings.repeat - 1
        step = first_step(spec.pruner, last, spec.settings.axis, spec.rung)
        parts.append(f"stops no trial before epoch {step}")
    return {"pruner": ", ".join(parts)} if parts else {}


def _budget(spec: SweepSpec) -> str:
    parts = [f"{spec.trials} trials" if spec.trials != 1 else "1 trial"] if spec.trials is not None else []
    if spec.settings.hours is not None:
        parts.append(f"{spec.settings.hours:g} hours")
    if spec.account.budget is not None:
        parts.append(spec.account.budget.text)
    if spec.budget.noise:
        parts.append("until only noise is left")
    if spec.settings.stagnation is not None:
        parts.append(f"until {spec.settings.stagnation} trials in a row are no better")
    if spec.settings.repeat > 1:
        parts.append(f"{spec.settings.repeat} seeds each")
    return ", ".join(parts)
