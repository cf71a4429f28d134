"""Runs one sweep, from the overrides of its command to its report.

    read_space        which keys are swept, and which overrides all trials share
    find_location     a new sweep, or the one to continue
    run_preflight     a sample of the points is prepared, so that errors appear now and not after hours
    prepare_study     creates or opens the study and queues its first points
    WorkerPool        launches workers, each of which takes trials from the study
    SweepWatcher      until no trial runs and none is left to start
    close_sweep       tests the best trial; writes result, table, report and MLflow's run

Several commands may work on one sweep at a time, on one machine or on many: they share the study.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from harness.config.overrides import Overrides
from harness.core.errors import Interrupted, Unfinished, UserError
from harness.runs.tracking_state import State
from harness.runtime.address import encode_references
from harness.runtime.distributed import broadcast, rank, world
from harness.runtime.stop_signals import Stop
from harness.sweep.control.close_sweep import close_sweep
from harness.sweep.control.extend_sweep import Extension, find_extension
from harness.sweep.control.watch_sweep import SweepWatcher
from harness.sweep.control.worker_pool import WorkerPool
from harness.sweep.launch import submitit_files
from harness.sweep.preflight.preflight import Preflight, run_preflight
from harness.sweep.report.sweep_result import SweepResult
from harness.sweep.space.read_space import check_swept, read_space
from harness.sweep.space.search_space import Space
from harness.sweep.study.database_retry import StorageLost
from harness.sweep.study.prepare_study import prepare_study
from harness.sweep.study.study_lock import study_lock
from harness.sweep.study.sweep_location import SweepLocation, find_location
from harness.sweep.study.sweep_settings import SweepSettings, read_settings
from harness.sweep.study.trial_queue import TrialQueue
from harness.sweep.worker.sweep_spec import SweepSpec
from harness.sweep.worker.trial_config import TrialComposer
from harness.sweep.worker.worker_loop import Worker, follow


def run_sweep(
    overrides: Overrides,
    config: DictConfig,
    context: HydraContext,
    ended: Callable[[Path, SweepResult], None] = lambda folder, result: None,
) -> None:
    """Runs a sweep to its end, or until a signal stops it.

    Args:
        overrides: as typed, without Hydra's own.
        config: what all trials share, Hydra's node included.
        ended: called with the sweep's folder and result, also where an error is raised behind it.

    Raises:
        UserError: the sweep cannot be run as typed; no trial was started and no folder made.
        Interrupted: a signal stopped it; the same command continues it.
        Unfinished: no trial is complete, or a trial of a grid failed.
    """
    composer = TrialComposer.of(context.config_loader)
    words = overrides.texts
    check_swept(overrides)
    encode_references(config)
    settings = read_settings(config.sweep)
    space = read_space(overrides, settings.space, context.config_loader)
    location, extension = _place(config, words, settings)
    # Under torchrun all processes look at the data together.
    preflight = run_preflight(space, composer, settings, print if rank() == 0 else lambda text: None)
    if location is None:
        received: Any = broadcast(None)
        follow(replace(received, location=replace(received.location, folder=Path(config.hydra.sweep.dir))))
        return
    spec = _spec(words, config, space, composer, settings, location, preflight)
    if extension is not None:
        spec = extension.of(spec)
    launcher = _launcher(config, context, spec)
    study = prepare_study(spec.location, spec.space, spec.objectives, spec.queued_points())
    if extension is not None:
        extension.copy_trials(spec.folder)
    broadcast(spec)
    queue = _queue(spec, study)
    pool = WorkerPool(
        launcher, lambda job: _job(spec, preflight), spec.launch, settings.workers, queue, settings.failures
    )
    with SweepWatcher(spec, study, queue, pool, config) as watcher:
        for note in extension.notes(config.trainer) if extension else ():
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


def _place(
    config: DictConfig, words: Sequence[str], settings: SweepSettings
) -> tuple[SweepLocation | None, Extension | None]:
    """Where the sweep is kept, and the earlier trials that it trains on; for rank 0."""
    if rank() > 0:
        return None, None
    if settings.extend is None:
        return find_location(config, words), None
    extension = find_extension(config, words, settings.extend)
    config = config.copy()
    with open_dict(config):
        config.resume.run = None  # it names the earlier sweep
    return find_location(config, words), extension


def _spec(
    words: Sequence[str],
    config: DictConfig,
    space: Space,
    composer: TrialComposer,
    settings: SweepSettings,
    location: SweepLocation,
    preflight: Preflight,
) -> SweepSpec:
    state = State.load(location.folder)
    sampler, pruner = (_plain(config.sweep.get(name)) for name in ("sampler", "pruner"))
    return SweepSpec(
        location=location,
        working_directory=Path.cwd(),
        settings=settings,
        typed=tuple(words),
        space=space,
        composer=composer,
        objectives=preflight.objectives,
        epochs=preflight.epochs,
        folds=preflight.folds,
        launch=secrets.token_hex(4),
        token=os.environ.get("HARNESS_COMMAND", secrets.token_hex(8)),
        until=None if settings.hours is None else time.time() + 3600 * settings.hours,
        trials=space.size if sampler is None else settings.trials,
        sampler=sampler,
        pruner=pruner,
        experiment=preflight.experiment if state is None else state.experiment,
        slots=preflight.slots.count,
        fuse=preflight.slots.fuse,
        rung=preflight.rung,
        compared=None if pruner is None else preflight.compared,
        default=preflight.default,
    )


def _queue(spec: SweepSpec, study: optuna.Study) -> TrialQueue:
    """The queue of trials, as the command that watches the sweep uses it."""
    lock = study_lock(spec.location.url, spec.folder, spec.location.study)
    lease, deaths = spec.settings.lease, spec.settings.failures
    return TrialQueue(study, lock, lease=lease, most_deaths=deaths, halving=spec.halving)


def _plain(node: Any) -> dict[str, Any] | None:
    if node is None:
        return None
    plain: Any = OmegaConf.to_container(node, resolve=True)
    return dict(plain)


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


def _job(spec: SweepSpec, preflight: Preflight) -> list[str]:
    """The overrides of a worker's job. Hydra composes a configuration from them, which the worker ignores."""
    folder = str(spec.folder).replace("\\", "\\\\").replace("'", "\\'")
    return [*preflight.words, f"hydra.sweep.dir='{folder}'", "hydra.sweep.subdir='workers/${hydra.job.num}'"]


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
