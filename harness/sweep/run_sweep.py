"""Conduct: one multirun, from its words to its report.

    read the space          what is swept, what is fixed
    find the place          a new sweep, or the one to go on with
    rehearse                everything that could be refused at night is refused now
    prepare the study       and what is queued
    muster the crew         workers go through the launcher, each takes trials from the study
    watch                   until nothing is running and nothing is left to begin
    close                   the best is tested; result, table, report, MLflow

Several commands may conduct one sweep at a time, on one machine or on many: the study holds them together.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from harness.config.overrides import Overrides
from harness.core.errors import Interrupted, Unfinished, UserError
from harness.runtime.distributed import rank, share, world
from harness.runtime.stop_signals import Stop
from harness.sweep.control.close_sweep import close
from harness.sweep.control.watch_sweep import SweepWatcher
from harness.sweep.control.worker_pool import WorkerPool
from harness.sweep.launch import submitit_files
from harness.sweep.preflight.preflight import Preflight, run_preflight
from harness.sweep.space.read_space import check_swept, read_space
from harness.sweep.space.search_space import Space
from harness.sweep.study.prepare_study import prepare_study
from harness.sweep.study.study_lock import study_lock
from harness.sweep.study.sweep_location import SweepLocation, find_location
from harness.sweep.study.sweep_settings import SweepSettings, read_settings
from harness.sweep.study.trial_queue import TrialQueue
from harness.sweep.worker.sweep_spec import SweepSpec
from harness.sweep.worker.trial_config import TrialComposer
from harness.sweep.worker.worker_loop import Worker, follow


def run_sweep(overrides: Overrides, config: DictConfig, context: HydraContext) -> None:
    """Runs a sweep to its end.

    Args:
        overrides: as typed, without Hydra's own.
        config: what all trials share, Hydra's node included.

    Raises:
        UserError: something about it is wrong; nothing has been begun then.
        Interrupted: a signal stopped it; the same command goes on.
        Unfinished: it has not come to what was asked.
    """
    composer = TrialComposer.of(context.config_loader)
    words = overrides.texts
    check_swept(overrides)
    settings = read_settings(config.sweep)
    space = read_space(overrides, settings.space, context.config_loader)
    place = find_location(config, words) if rank() == 0 else None
    # Under torchrun all processes look at the data together.
    rehearsed = run_preflight(space, composer, settings, print if rank() == 0 else lambda said: None)
    if place is None:
        told: Any = share(None)
        follow(replace(told, place=replace(told.place, folder=Path(config.hydra.sweep.dir))))
        return
    spec = _spec(words, config, space, composer, settings, place, rehearsed)
    launcher = _launcher(config, context, spec)
    study = prepare_study(spec.place, spec.space, spec.objectives, spec.queued_points())
    share(spec)
    ledger = TrialQueue(study, study_lock(spec.place.url, spec.root, spec.place.study), lease=settings.lease)
    crew = WorkerPool(launcher, lambda job: _job(spec, rehearsed), spec.launch, settings.workers, ledger)
    with SweepWatcher(spec, study, ledger, crew, config) as watch:
        stopped = _work(spec, launcher, crew, watch)
        closed = close(spec, study, watch, stopped)
    submitit_files.forget(config)
    if stopped is not None:
        raise Interrupted(stopped)
    if closed.error is not None:
        raise Unfinished(closed.error)


def _spec(
    words: Sequence[str],
    config: DictConfig,
    space: Space,
    composer: TrialComposer,
    settings: SweepSettings,
    place: SweepLocation,
    rehearsed: Preflight,
) -> SweepSpec:
    sampler, pruner = (_plain(config.sweep.get(name)) for name in ("sampler", "pruner"))
    return SweepSpec(
        place=place,
        here=Path.cwd(),
        settings=settings,
        typed=tuple(words),
        space=space,
        composer=composer,
        objectives=rehearsed.objectives,
        epochs=rehearsed.epochs,
        folds=rehearsed.folds,
        launch=secrets.token_hex(4),
        token=os.environ.get("HARNESS_COMMAND", secrets.token_hex(8)),
        until=None if settings.hours is None else time.time() + 3600 * settings.hours,
        trials=space.size if sampler is None else settings.trials,
        sampler=sampler,
        pruner=pruner,
    )


def _plain(node: Any) -> dict[str, Any] | None:
    if node is None:
        return None
    found: Any = OmegaConf.to_container(node, resolve=True)
    return dict(found)


def _launcher(config: DictConfig, context: HydraContext, spec: SweepSpec) -> Launcher:
    """Hydra's launcher, whose jobs are workers."""
    with read_write(config), open_dict(config):
        config.hydra.sweep.dir = str(spec.root)
        config.hydra.sweep.subdir = "workers/${hydra.job.num}"
    submitit_files.prepare(config)
    task: Any = Worker(spec)
    made = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)
    if world() > 1 and not _in_process(made):
        name: Any = config.hydra.runtime.choices.get("hydra/launcher")
        raise UserError(
            f"the processes of torchrun train each trial together, and hydra/launcher={name} would have it "
            "trained in another; leave it out, or start the sweep without torchrun."
        )
    return made


def _in_process(launcher: Launcher) -> bool:
    return bool(getattr(launcher, "in_process", type(launcher).__name__ == "BasicLauncher"))


def _job(spec: SweepSpec, rehearsed: Preflight) -> list[str]:
    """The words of a worker's job. Its configuration is of no account, but Hydra composes one for each."""
    folder = str(spec.root).replace("\\", "\\\\").replace("'", "\\'")
    return [*rehearsed.words, f"hydra.sweep.dir='{folder}'", "hydra.sweep.subdir='workers/${hydra.job.num}'"]


def _work(spec: SweepSpec, launcher: Launcher, crew: WorkerPool, watch: SweepWatcher) -> int | None:
    """Lets the crew work until all is done; the signal that ended it early, if one did."""
    left = watch.left
    if left == 0 and watch.look().count("running") == 0:
        return None
    with Stop() as stop:
        try:
            if _in_process(launcher):
                return _work_here(crew, watch)
            if left > 0:  # else all are begun elsewhere, and may come back
                crew.launch(min(spec.settings.workers, left))
            watch.until_over()
        except Interrupted as error:
            with stop.after_step():
                watch.dismiss(launcher)
            return stop.signum or error.signum
    return None


def _work_here(crew: WorkerPool, watch: SweepWatcher) -> int | None:
    """Lets one worker work in this thread, and again where a trial that ran elsewhere comes back."""
    needed = True
    while needed:
        with watch.aside():
            left = crew.work_in_process()
        if left is not None and left.reason == "failures":
            watch.trouble(str(left.error))
        if left is None or left.reason != "done":
            return None if left is None else left.signum
        needed = watch.until_needed()
    return None
