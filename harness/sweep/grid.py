"""The full grid of a multirun: every combination is checked before the first one starts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from harness.compose import automatic
from harness.errors import UserError
from harness.secrets import Secrets


def sweep(
    arguments: list[str], config: DictConfig, loader: ConfigLoader, launcher: Launcher
) -> Sequence[JobReturn]:
    """Runs every combination of `arguments` through Hydra's launcher.

    Raises:
        UserError: a combination would be refused; nothing has been started then.
        Exception: the first failure, after all other combinations have had their turn.
    """
    if not config.hydra.sweep.dir.strip():
        raise UserError("hydra.sweep.dir must not be empty; give hydra.sweep.dir=FOLDER, or leave it out.")
    points = combinations(OverridesParser.create(config_loader=loader).parse_overrides(arguments))

    def composer(words: list[str]) -> DictConfig:
        return loader.load_configuration("config", words, run_mode=RunMode.RUN)

    points = [point + automatic(point, composer) for point in points]
    _rehearse([composer(point) for point in points])
    print(f"{_counted(len(points))} in {config.hydra.sweep.dir}", flush=True)
    returned = launcher.launch(points, initial_job_idx=0)
    failed = [job for job in returned if job.status is not JobStatus.COMPLETED]
    if failed:
        print(
            f"{len(failed)} of {_counted(len(points))} failed; the first of them, {_words(failed[0])}, says:"
        )
        # Asked for by its name, the return value would raise, but print the overrides unmasked before.
        error: Exception = failed[0]._return_value
        raise error
    return returned


def _words(job: JobReturn) -> str:
    words = list(job.overrides or [])
    return Secrets(job.cfg, words).text(" ".join(words))


def _counted(runs: int) -> str:
    return f"{runs} run{'' if runs == 1 else 's'}"


def _rehearse(configurations: list[DictConfig]) -> None:
    """Takes each to the first training step; rows that several share are read once."""
    from harness.experiment import prepare
    from harness.plan import make_plan

    before = HydraConfig.instance().cfg
    try:
        for cfg in configurations:
            HydraConfig.instance().set_config(cfg)
            plan = make_plan(OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"]))
            prepare(plan, plan.folds[0])
    finally:
        HydraConfig.instance().cfg = before


def combinations(overrides: list[Override]) -> list[list[str]]:
    """The grid of all swept values, the last key varying fastest.

    Raises:
        UserError: a key is swept over a continuous interval, of which there is no grid, or over nothing.
    """
    axes: dict[str, list[str]] = {}
    for override in overrides:
        key = override.get_key_element()
        if not override.is_sweep_override():
            axes[key] = [str(override.input_line)]
        elif override.is_discrete_sweep():
            axes[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            given = (override.input_line or "").partition("=")[2]
            raise UserError(f"a grid needs listed values, and {key} got {given}; list them: {key}=A,B,C.")
        if not axes[key]:
            raise UserError(f"{override.input_line} holds no value; give one or more: {key}=A,B,C.")
    return [list(point) for point in itertools.product(*axes.values())]
