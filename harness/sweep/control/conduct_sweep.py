"""Conducts a sweep whose trials are described, from its study to its report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict, read_write

from harness.core.errors import Interrupted, Unfinished, UserError
from harness.runtime.process_group import broadcast, world
from harness.runtime.stop_signals import Stop
from harness.sweep.control.close_sweep import close_sweep
from harness.sweep.control.watch_sweep import SweepWatcher
from harness.sweep.control.worker_pool import WorkerPool
from harness.sweep.launch import submitit_files
from harness.sweep.launch.launcher_job import folder_words
from harness.sweep.report.sweep_result import SweepResult
from harness.sweep.study.database_retry import StorageLost
from harness.sweep.study.prepare_study import prepare_study
from harness.sweep.study.study_lock import study_lock
from harness.sweep.study.trial_queue import TrialQueue
from harness.sweep.worker.sweep_spec import SweepSpec
from harness.sweep.worker.worker_loop import Worker


def conduct(
    spec: SweepSpec,
    words: Sequence[str],
    config: DictConfig,
    context: HydraContext,
    ended: Callable[[Path, SweepResult], None] = lambda folder, result: None,
    *,
    prepare: Callable[[Path], None] = lambda folder: None,
    notes: Sequence[str] = (),
) -> None:
    """Runs the trials of a sweep to its end, or until a signal stops it.

    Args:
        words: the overrides of one trial, from which Hydra composes the jobs of the workers.
        config: what all trials share, Hydra's node included.
        ended: called with the sweep's folder and result, also where an error is raised behind it.
        prepare: called with the sweep's folder before the first trial begins.
        notes: sentences for the user, shown at the beginning.

    Raises:
        UserError: the study or the launcher cannot be had.
        Interrupted: a signal stopped it; the same command continues it.
        Unfinished: no trial is complete, or a trial of a grid failed.
    """
    settings = spec.settings
    launcher = _launcher(config, context, spec)
    study = prepare_study(
        spec.location, spec.space, spec.objectives, spec.queued_points(), spec.earlier, spec.exempt
    )
    prepare(spec.folder)
    broadcast(spec)
    queue = TrialQueue(
        study,
        study_lock(spec.location.url, spec.folder, spec.location.study),
        lease=settings.lease,
        most_deaths=settings.failures,
        halving=spec.halving,
    )
    pool = WorkerPool(
        launcher, lambda job: _job(spec, words), spec.launch, settings.workers, queue, settings.failures
    )
    with SweepWatcher(spec, study, queue, pool, config) as watcher:
        for note in [*notes, *(each.sentence for each in spec.earlier)]:
            watcher.display.note(note)
        signum = _work(spec, launcher, pool, watcher)
        try:
            result = close_sweep(spec, study, watcher, signum)
        except StorageLost:
            if signum is None:
                raise
            raise Interrupted(signum) from None
    submitit_files.forget(config)
    ended(spec.folder, result)
    if signum is not None:
        raise Interrupted(signum)
    if result.error is not None:
        raise Unfinished(result.error)


def _launcher(config: DictConfig, context: HydraContext, spec: SweepSpec) -> Launcher:
    """Hydra's launcher, with a worker as the task of its jobs."""
    with read_write(config), open_dict(config):
        config.hydra.sweep.dir = str(spec.folder)
        config.hydra.sweep.subdir = "workers/${hydra.job.num}"
    submitit_files.prepare(config)
    task: Any = Worker(spec)
    made = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)
    if world() > 1 and not _in_process(made):
        name: Any = config.hydra.runtime.choices.get("hydra/launcher")
        raise UserError(
            "the processes of torchrun train each trial together, "
            f"but hydra/launcher={name} runs trials in other processes",
            "leave it out, or start the sweep without torchrun",
            key="hydra/launcher",
            value=name,
        )
    return made


def _in_process(launcher: Launcher) -> bool:
    return bool(getattr(launcher, "in_process", type(launcher).__name__ == "BasicLauncher"))


def _job(spec: SweepSpec, words: Sequence[str]) -> list[str]:
    """The overrides of a worker's job. Hydra composes a configuration from them, which the worker ignores."""
    return [*words, *folder_words(spec.folder, "workers/${hydra.job.num}")]


def _work(spec: SweepSpec, launcher: Launcher, pool: WorkerPool, watcher: SweepWatcher) -> int | None:
    """Lets the workers run all trials; returns the signal that ended this early, if one did."""
    claimable = watcher.claimable
    if claimable == 0 and watcher.snapshot().count("running") == 0:
        return None
    with Stop() as stop:
        try:
            if _in_process(launcher):
                return _work_in_process(pool, watcher)
            if claimable > 0:  # else other commands run all trials, and one may still be requeued
                pool.launch(min(spec.settings.workers, claimable))
            watcher.wait_until_over()
        except Interrupted as error:
            watcher.patience.give_up()
            with stop.after_step(), suppress(StorageLost):
                watcher.stop_workers(launcher)
            return stop.signum or error.signum
    return None


def _work_in_process(pool: WorkerPool, watcher: SweepWatcher) -> int | None:
    """Runs one worker in this thread, and another one whenever a trial that ran elsewhere is requeued."""
    while True:
        with watcher.in_background():
            outcome = pool.work_in_process()
        if outcome is not None and outcome.reason == "failures":
            watcher.fail(str(outcome.error))
        if outcome is None or outcome.reason != "done":
            return None if outcome is None else outcome.signum
        if not watcher.wait_until_claimable():
            return None
