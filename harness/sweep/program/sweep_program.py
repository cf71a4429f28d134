"""Sweeps over another Hydra program: `python train.py -m hydra/sweeper=harness +sweep=asha …`."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.singleton import Singleton
from hydra.errors import HydraException
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from harness.config.error_messages import explain
from harness.config.overrides import Overrides
from harness.core.error_text import stack
from harness.core.errors import UserError
from harness.runs.sweep_folders import stem
from harness.runtime.secret_values import Secrets
from harness.sweep.control.conduct_sweep import conduct
from harness.sweep.launch.launcher_job import workers_apart
from harness.sweep.preflight.default_point import default_point
from harness.sweep.program.optuna_keys import refuse_optuna_keys
from harness.sweep.program.program_command import ProgramCommand
from harness.sweep.program.program_settings import (
    BELOW_SWEEPER,
    keys_of_the_sweep,
    program_objectives,
    program_settings,
    sweep_node,
)
from harness.sweep.program.program_trials import Program, ProgramTrials
from harness.sweep.space.read_space import check_swept, read_space
from harness.sweep.space.search_space import Space
from harness.sweep.space.swept_key import belongs_to
from harness.sweep.space.swept_value import Point
from harness.sweep.study.constraints import read_constraints
from harness.sweep.study.pruning import build_pruner, check_prunable
from harness.sweep.study.sampling import build_sampler, check_sampling
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.sweep_location import SweepLocation, location_in, newest_folder
from harness.sweep.study.sweep_settings import SweepSettings, check_name
from harness.sweep.worker.sweep_spec import SweepSpec

_COMPOSED = 8
"""Points at most whose configuration is composed before the sweep begins, at a tenth of a second each."""


def sweep_program(words: list[str], config: DictConfig, context: HydraContext, task: TaskFunction) -> None:
    """Runs a sweep over a program to its end. An error ends the process as in `python -m harness`.

    Args:
        words: the overrides of the program's settings.
        config: of the multirun, Hydra's node included.
        task: the function under `hydra.main`.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in `harness.__main__`
    try:
        _sweep(words, config, context, task)
    except BaseException as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1" or isinstance(error, SystemExit):
            raise
        status, message, trace = explain(error, words)
        masked = Secrets(None, words).text
        text = f"{stack(error, masked) if trace else ''}{masked(message)}"
        print(text, file=sys.stderr)
        sys.exit(status)


def _sweep(words: list[str], config: DictConfig, context: HydraContext, task: TaskFunction) -> None:
    refuse_optuna_keys(config)
    typed = Overrides(tuple(OverridesParser.create(context.config_loader).parse_overrides(words)))
    node = sweep_node(config)
    own = keys_of_the_sweep(config)
    check_swept(typed, own)
    settings = program_settings(node)
    sampler, pruner = (_plain(node.get(name)) for name in ("sampler", "pruner"))
    objectives = program_objectives(settings.objectives)
    space = read_space(typed, settings.space, context.config_loader, own)
    _check_method(settings, objectives, sampler, pruner)
    location = _location(config, words, node.get("name"), settings.storage)
    default = default_point(space, lambda: _without_sweep(config, context, space))
    points = _compose_points(config, context, space, settings, default, grid=sampler is None)
    _place_jobs(config, settings)
    hydra = [str(word) for word in config.hydra.overrides.hydra]
    program = Program(task, context, config, Singleton.get_state())
    spec = SweepSpec(
        location=location,
        working_directory=Path.cwd(),
        typed=tuple(words),
        settings=settings,
        space=space,
        runner=ProgramTrials(program, ProgramCommand.typed(words, hydra)),
        objectives=objectives,
        epochs=None,
        folds=1,
        launch=secrets.token_hex(4),
        token=secrets.token_hex(8),
        until=None if settings.hours is None else time.time() + 3600 * settings.hours,
        trials=space.size if sampler is None else settings.trials,
        sampler=sampler,
        pruner=pruner,
        default=default if settings.enqueue_default else {},
        apart=workers_apart(config),
    )
    conduct(spec, [*points[0], "hydra.output_subdir=null"], config, context)


def _plain(node: Any) -> dict[str, Any] | None:
    return None if node is None else dict(OmegaConf.to_container(node, resolve=True))  # type: ignore[arg-type]


def _check_method(
    settings: SweepSettings,
    objectives: Sequence[Objective],
    sampler: dict[str, Any] | None,
    pruner: dict[str, Any] | None,
) -> None:
    """Whether sampler, pruner and constraints can be had and fit the objectives."""
    check_sampling(sampler, objectives)
    build_sampler(sampler, settings.seed, 0)
    read_constraints(settings.constraints, lambda name, key: None)
    if pruner is not None:
        check_prunable(objectives, [objective.name for objective in objectives], settings.axis)
        build_pruner(pruner, None, 1, settings.axis)


def _location(config: DictConfig, words: list[str], name: str | None, url: str | None) -> SweepLocation:
    """The newest sweep of this program and these words if that is unfinished, else a new one.

    It is where the program has its multiruns, and named after the sweep instead of the time, so that the same
    command finds it. A `hydra.sweep.dir` without a time is the sweep's folder itself.
    """
    check_name(name)
    raw: Any = OmegaConf.to_container(config.hydra.sweep, resolve=False)
    before, timed, _ = str(raw["dir"]).partition("${now:")
    if not timed:
        return location_in(Path(config.hydra.sweep.dir).absolute(), url)
    with read_write(config), open_dict(config):
        config.hydra.sweep.dir = before.rpartition("/")[0] or "."
    sweeps = Path(config.hydra.sweep.dir).absolute()
    job: Any = config.hydra.job.name
    return location_in(newest_folder(sweeps, name or f"{job}-{_digest(config, words)}", url), url)


def _digest(config: DictConfig, words: list[str]) -> str:
    """A digest of the overrides that define the sweep.

    A `tracking` is the program's own, and so is a `sweep` where that of harness lies elsewhere.
    """
    below = f"{BELOW_SWEEPER.rpartition('.')[0]}."
    settings = [str(word).removeprefix(below) for word in config.hydra.overrides.hydra]
    keys = keys_of_the_sweep(config)
    own = [word if belongs_to(word.partition("=")[0], keys) else f"program.{word}" for word in words]
    return stem(None, [*own, *(word for word in settings if word.startswith("sweep."))])


def _without_sweep(config: DictConfig, context: HydraContext, space: Space) -> tuple[DictConfig, Any]:
    cfg = context.config_loader.load_sweep_config(config, list(space.fixed))
    return cfg, cfg.hydra.runtime.choices


def _compose_points(
    config: DictConfig,
    context: HydraContext,
    space: Space,
    settings: SweepSettings,
    default: Point,
    grid: bool,
) -> list[list[str]]:
    """Composes points that cover the space, and returns their overrides; nothing is run.

    Args:
        grid: whether every point is run, which intervals do not have.

    Raises:
        UserError: one cannot be composed, or there is nothing to choose.
    """
    if grid:
        next(space.grid())
    if not space.dimensions:
        raise UserError(
            "a sweep needs something to choose, and no key is swept",
            "give one several values, KEY=A,B or 'KEY=interval(A,B)'",
        )
    queued = [space.complete(dict(point), "sweep.enqueue") for point in settings.enqueue]
    points = [*queued, *([default] if len(default) == len(space.dimensions) else [])]
    points += space.probes(_COMPOSED, settings.seed)
    composed = []
    for point in points[:_COMPOSED]:
        words = [*space.fixed, *space.words(point)]
        try:
            context.config_loader.load_sweep_config(config, words)
        except (HydraException, OmegaConfBaseException) as error:
            cause = str(error.__cause__ or error).strip().split("\n")[0]
            raise UserError(f"{' '.join(space.words(point))} cannot be composed: {cause}") from error
        composed.append(words)
    return composed


def _place_jobs(config: DictConfig, settings: SweepSettings) -> None:
    """Lets several workers have a process each: Hydra's basic launcher runs one job after another."""
    launcher = config.hydra.launcher
    basic = str(launcher.get("_target_")).endswith(".BasicLauncher")
    local = "hydra_plugins.harness_launcher.LocalLauncher"
    with read_write(config), open_dict(config):
        if basic:
            config.hydra.launcher = {"_target_": local, "gpus": None, "threads": None}
            config.hydra.runtime.choices["hydra/launcher"] = "local"
        if config.hydra.launcher.get("_target_") == local:
            config.hydra.launcher.workers = settings.workers
