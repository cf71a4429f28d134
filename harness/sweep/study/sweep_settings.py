"""The settings `sweep.*`, except sampler and pruner."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf

from harness.config.known_settings import LARGEST_SEED, SETTINGS, check_type
from harness.core.errors import MissingSetting, UserError
from harness.runtime.energy_meter import EnergyMeter
from harness.sweep.launch.job_slots import gpus
from harness.sweep.study.sweep_cost import Tariff, read_budget


@dataclass(frozen=True, kw_only=True)
class SweepSettings:
    """How many trials a sweep runs, with how many workers, and how it treats faults.

    trials      trials that end, however they do; None: as many as a grid has points, or no limit
    hours       after which no trial is begun
    budget      time, GPU time, energy or money after which no trial is begun, see `read_budget`
    price_hour, price_kwh  money for an hour of a machine, and for a kWh; None: it costs nothing
    currency    of the prices
    until       "noise": no trial is begun once those that are left can be expected to bring less than the
                error of the best score; None: whatever they bring
    stagnation  trials in a row that were no better, after which no trial is begun
    workers     how many trials run at a time
    storage     a database's address; None: a journal file in the sweep's folder
    objectives  the scores that are to be improved, with or without directions; None: `trainer.monitor`
    repeat      runs of a trial, of as many seeds; the objective is their mean
    retries     how often a trial that failed is begun again, from its checkpoint
    fail_fast   whether the first failed trial ends the sweep
    failures    trials in a row that failed in one worker, after which that worker stops; workers in a row
                that a trial ended, after which the trial is failed
    timeout     minutes that one trial may take
    recycle     trials after which a worker's process is replaced
    isolate     whether each trial has a process of its own
    patience    minutes for which the storage may be away while the sweep runs
    lease       seconds without a sign of life after which a worker elsewhere counts as dead
    keep        how many of the best trials keep weights, beside the default; "best": one, "all": every trial
    extendable  how many of the best trials keep their last checkpoint when the sweep ends
    extend      how many of the best trials of an earlier sweep are trained on; None: another sweep is run
    ablate      whether the way from the default to the best trial of an earlier sweep is trained
    predictions MB that the outputs of one trial for its validation rows may take; 0: none are kept
    test        whose test rows are scored: the recommended trial's, the best one's, all trials' or none
    seed        of the sampler
    axis        what a pruner's steps are: epochs, or folds
    space       search space, by key
    constraints scores that must hold, such as "model/parameters <= 100000"
    enqueue     points that are tried first
    enqueue_default  whether the configuration without the sweep is tried first as well
    earlier     `sweep.from`: names of earlier sweeps, "last" or "auto"; None: none is taken into account
    prune_by    the score that a pruner compares; "auto": see `harness.sweep.worker.trial_agreement`
    """

    trials: int | None
    hours: float | None
    budget: str | float | None
    price_hour: float | None
    price_kwh: float | None
    currency: str
    until: Literal["noise"] | None
    stagnation: int | None
    workers: int
    storage: str | None
    objectives: str | list[str] | Mapping[str, Literal["minimize", "maximize"]] | None
    repeat: int
    retries: int
    fail_fast: bool
    failures: int
    timeout: float | None
    recycle: int | None
    isolate: bool
    patience: float
    lease: float
    keep: int | Literal["all", "best"]
    extendable: int
    extend: int | None
    ablate: bool
    predictions: float
    test: Literal["recommended", "best", "all", "none"]
    seed: int
    axis: Literal["epochs", "folds"]
    space: Mapping[str, Any]
    constraints: list[str]
    enqueue: list[Mapping[str, Any]]
    enqueue_default: bool
    earlier: str | list[str] | None
    prune_by: str


_NAMES = {"earlier": "from"}
"""The name of a setting, where it is not that of its field: Python has the word for itself."""

_LEAST = {
    "trials": 1,
    "stagnation": 1,
    "workers": 1,
    "repeat": 1,
    "retries": 0,
    "failures": 1,
    "recycle": 1,
    "patience": 0,
    "keep": 1,
    "extendable": 0,
    "extend": 1,
    "predictions": 0,
    "lease": 5,
    "price_hour": 0,
    "price_kwh": 0,
}
"""The smallest value of each; null passes where its type admits it."""


def read_settings(node: DictConfig) -> SweepSettings:
    """The settings of the configuration's node `sweep`.

    Raises:
        UserError: a value is of the wrong type or out of range, or contradicts the sampler.
    """
    plain: Any = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    names = {field.name: _NAMES.get(field.name, field.name) for field in fields(SweepSettings)}
    for name in names.values():
        if name not in plain:
            raise MissingSetting(f"sweep.{name}")
        check_type(plain[name], SETTINGS[f"sweep.{name}"], f"sweep.{name}")
    settings = SweepSettings(**{field: plain[name] for field, name in names.items()})
    check_name(plain.get("name"))
    _check_ranges(settings)
    _check_budget(settings)
    _check_end(settings, plain.get("sampler"))
    _check_earlier(settings, plain.get("sampler"))
    _check_processes(settings)
    if settings.ablate and settings.extend is not None:
        rule = "sweep.extend and sweep.ablate are two sweeps that follow an earlier one"
        raise UserError(rule, "leave one of them out", key="sweep.ablate")
    return settings


def check_name(name: str | None) -> None:
    """Whether `sweep.name` can be a folder's and a study's.

    Raises:
        UserError: it cannot.
    """
    if name is not None and not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(
            f"sweep.name must be letters, digits, '.', '_' and '-', with which a folder can be named, "
            f"got {name!r}",
            key="sweep.name",
            value=name,
        )


def _check_ranges(settings: SweepSettings) -> None:
    for name, least in _LEAST.items():
        value = getattr(settings, name)
        if not isinstance(value, str | None) and not (value >= least and math.isfinite(value)):
            raise UserError(
                f"sweep.{name} must be at least {least}, got {value}", key=f"sweep.{name}", value=value
            )
    for name in ("hours", "timeout"):
        value = getattr(settings, name)
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise UserError(
                f"sweep.{name} must be above 0 or null, got {value}", key=f"sweep.{name}", value=value
            )
    if not 0 <= settings.seed <= LARGEST_SEED:
        raise UserError(
            f"sweep.seed must be between 0 and {LARGEST_SEED}, got {settings.seed}",
            key="sweep.seed",
            value=settings.seed,
        )
    if settings.storage is not None and not settings.storage.strip():
        raise UserError(
            "sweep.storage must not be empty", "give sweep.storage=URL, or leave it out", key="sweep.storage"
        )


def _check_budget(settings: SweepSettings) -> None:
    """Whether what the budget limits is measured here."""
    if not settings.currency.strip():
        raise UserError("sweep.currency must not be empty", "give it as EUR", key="sweep.currency")
    budget = read_budget(settings.budget, tariff_of(settings))
    by_energy = budget is not None and (
        budget.unit == "joules" or (budget.unit == "money" and settings.price_hour is None)
    )
    if by_energy and not EnergyMeter().sources:
        raise UserError(
            f"sweep.budget={settings.budget} needs the energy that is used, and neither NVML nor RAPL can be "
            "read here",
            "give sweep.price_hour, the price of an hour of this machine, or a budget of time",
            key="sweep.budget",
            value=settings.budget,
        )
    ends = (settings.trials, settings.hours, settings.stagnation)
    if budget is not None and budget.unit == "gpu_seconds" and ends == (None,) * 3 and not gpus():
        raise UserError(
            f"sweep.budget={settings.budget} limits the time of GPUs, and none can be seen here",
            "add another end, such as sweep.trials=N, or give a budget of time",
            key="sweep.budget",
            value=settings.budget,
        )


def tariff_of(settings: SweepSettings, apart: bool = False) -> Tariff:
    """The prices of a sweep; `apart`: whether each worker is on a machine of its own."""
    return Tariff(settings.price_hour, settings.price_kwh, settings.currency, settings.workers, apart)


def _check_end(settings: SweepSettings, sampler: Any) -> None:
    """A grid ends by itself, and any other sweep by a budget."""
    if sampler is None:
        if settings.trials is not None:
            raise UserError(
                f"sweep=grid runs every point of its grid, and sweep.trials={settings.trials} asks for "
                "another number",
                "leave sweep.trials out, or have so many points drawn with sweep=random",
                key="sweep.trials",
            )
        if settings.enqueue:
            raise UserError(
                "sweep=grid runs its points in their order, and sweep.enqueue asks for some to be first",
                "leave it out, or choose a sampler such as sweep=tpe",
                key="sweep.enqueue",
            )
        if settings.until is not None:
            raise UserError(
                "sweep=grid runs every point of its grid, and sweep.until=noise asks to end before",
                "leave it out, or choose a sampler such as sweep=random",
                key="sweep.until",
            )
        return
    if settings.until is not None and settings.trials is None:
        rule = "sweep.until=noise needs to know how many trials are left, and sweep.trials is not given"
        raise UserError(rule, "give sweep.trials=N", key="sweep.until")
    if all(end is None for end in (settings.trials, settings.hours, settings.budget, settings.stagnation)):
        name = str(sampler.get("_target_")).rsplit(".", 1)[-1] if isinstance(sampler, dict) else "a sampler"
        raise UserError(
            f"a sweep needs an end, and {name} has none of its own",
            "give it sweep.trials=N, sweep.hours=N, sweep.budget='2 hours' or sweep.stagnation=N",
        )


def _check_earlier(settings: SweepSettings, sampler: Any) -> None:
    """Whether the sweep can take points of earlier ones."""
    if settings.earlier is None:
        return
    names = [settings.earlier] if isinstance(settings.earlier, str) else settings.earlier
    if not names or not all(name.strip() for name in names):
        raise UserError(
            f"sweep.from must name an earlier sweep, got {settings.earlier!r}",
            "give sweep.from=last, sweep.from=auto or a name, or leave it out",
            key="sweep.from",
            value=settings.earlier,
        )
    other = "sweep.extend trains its trials on" if settings.extend is not None else None
    other = "sweep.ablate trains points of its own" if settings.ablate else other
    other = "sweep=grid runs its own points" if sampler is None else other
    if other is not None:
        raise UserError(
            f"{other}, and sweep.from asks to try those of an earlier sweep",
            "leave sweep.from out, or choose a sampler such as sweep=tpe without sweep.extend",
            key="sweep.from",
        )


def _check_processes(settings: SweepSettings) -> None:
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return
    if settings.workers > 1:
        raise UserError(
            "sweep.workers must be 1 under torchrun, whose processes train one trial together, got "
            f"{settings.workers}",
            "leave it out, or start the sweep without torchrun",
            key="sweep.workers",
        )
    for name in ("recycle", "isolate"):
        if getattr(settings, name):
            raise UserError(
                f"sweep.{name} cannot be used under torchrun, whose processes stay the same from trial to "
                "trial",
                "leave it out, or start the sweep without torchrun",
            )
