"""Runs one sweep, from the overrides of its command to its report.

    read_space        which keys are swept, and which overrides all trials share
    find_location     a new sweep, or the one to continue
    run_preflight     a sample of the points is prepared, so that errors appear now and not after hours
    conduct           the rest:
    prepare_study     creates or opens the study and queues its first points
    WorkerPool        launches workers, each of which takes trials from the study
    SweepWatcher      until no trial runs and none is left to start
    close_sweep       tests the recommended trial; writes result, table, report and MLflow's run

Several commands may work on one sweep at a time, on one machine or on many: they share the study.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from harness.config.overrides import Overrides
from harness.runs.tracking_state import State
from harness.runtime.address import encode_references
from harness.runtime.process_group import broadcast, rank
from harness.sweep.control.ablate_sweep import Ablation
from harness.sweep.control.conduct_sweep import conduct
from harness.sweep.control.extend_sweep import Extension
from harness.sweep.control.follow_up import find_follow_up, without_resume
from harness.sweep.launch.launcher_job import workers_apart
from harness.sweep.preflight.preflight import Preflight, run_preflight
from harness.sweep.report.sweep_result import SweepResult
from harness.sweep.space.read_space import check_swept, read_space
from harness.sweep.space.search_space import Space
from harness.sweep.study.prepare_study import check_defaults, stored_earlier
from harness.sweep.study.sweep_location import SweepLocation, find_location
from harness.sweep.study.sweep_settings import SweepSettings, read_settings
from harness.sweep.worker.sweep_spec import SweepSpec
from harness.sweep.worker.trial_config import TrialComposer
from harness.sweep.worker.trial_run import HarnessRuns
from harness.sweep.worker.worker_loop import follow


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
    location, follow_up = _place(config, words, settings)
    if location is not None:
        check_defaults(location, config.hydra.runtime.choices)
    earlier = broadcast(None if location is None else stored_earlier(location, space))
    # Under torchrun all processes look at the data together.
    say = print if rank() == 0 else lambda text: None
    preflight = run_preflight(space, composer, settings, say, recalls=earlier is None)
    if earlier is not None:
        preflight = replace(preflight, earlier=earlier)
        if settings.earlier is not None and not earlier:
            say("sweep.from has no effect: this sweep began without trials of earlier ones")
    if location is None:
        received: Any = broadcast(None)
        follow(replace(received, location=replace(received.location, folder=Path(config.hydra.sweep.dir))))
        return
    spec = _spec(words, config, space, composer, settings, location, preflight)
    if follow_up is None:
        conduct(spec, preflight.words, config, context, ended)
    else:
        notes = follow_up.notes(config.trainer)
        spec = follow_up.of(spec)
        conduct(spec, preflight.words, config, context, ended, prepare=follow_up.prepare, notes=notes)


def _place(
    config: DictConfig, words: Sequence[str], settings: SweepSettings
) -> tuple[SweepLocation | None, Extension | Ablation | None]:
    """Where the sweep is kept, and what it does with an earlier one; for rank 0."""
    if rank() > 0:
        return None, None
    follow_up = find_follow_up(config, words, settings)
    config = config if follow_up is None else without_resume(config)
    return find_location(config, words), follow_up


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
        runner=HarnessRuns(composer),
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
        compared=preflight.compared if pruner is not None or preflight.steady else None,
        default=preflight.default,
        earlier=preflight.earlier,
        apart=workers_apart(config),
    )


def _plain(node: Any) -> dict[str, Any] | None:
    if node is None:
        return None
    plain: Any = OmegaConf.to_container(node, resolve=True)
    return dict(plain)
