"""Builds the sampler that draws one trial's point.

A sampler is built anew for each trial, with a seed drawn from the sweep's seed and the trial's number. So a
random sweep's points do not depend on which worker draws which, and a resumed sweep does not draw the
same points again. What a sampler knows of earlier trials is in the study, also for CMA-ES and NSGA-II.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    BruteForceSampler,
    CmaEsSampler,
    GridSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
)

from harness.config.instantiate import build, target
from harness.config.known_settings import LARGEST_SEED
from harness.core.errors import UserError
from harness.sweep.study.snapshot import Objective

_KEY = "sweep.sampler"


def build_sampler(node: Mapping[str, Any] | DictConfig | None, seed: int, number: int) -> BaseSampler:
    """The sampler of the trial with this number.

    Args:
        node: `sweep.sampler`. Its `seed`, if it has one, comes before `seed`; a sampler that takes no seed is
            built as it is. None, a grid whose points are given: whatever it leaves open is drawn at random.
        seed: `sweep.seed`.
        number: of the trial in its study.

    Raises:
        UserError: the node describes no sampler, or a value is refused.
    """
    if node is None:
        return RandomSampler(seed=_drawn(seed, number, _KEY))
    plain: Any = OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig) else dict(node)
    seeded = _seeded(plain, seed, number, _KEY)
    with warnings.catch_warnings():
        # Each trial would otherwise print Optuna's warning that `group` or `with_margin` is experimental.
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = build(seeded, _KEY)
    if not isinstance(sampler, BaseSampler):
        raise UserError(
            f"{_KEY} must be a sampler of Optuna's kind, got {plain['_target_']}",
            "choose one by sweep/sampler=, or derive yours from optuna.samplers.BaseSampler",
            key=_KEY,
        )
    return sampler


def draws_depend_on_each_other(sampler: BaseSampler) -> bool:
    """Whether its draws hang on each other through the study, such as those of a Sobol sequence."""
    return isinstance(sampler, QMCSampler | NSGAIISampler | NSGAIIISampler)


def check_sampling(node: Mapping[str, Any] | DictConfig | None, objectives: Sequence[Objective]) -> None:
    """Whether a sweep can follow the sampler, and the sampler these objectives.

    Raises:
        UserError: one of them cannot.
    """
    if node is None:
        return
    made = target(node, _KEY)
    if not isinstance(made, type):
        return
    if issubclass(made, (GridSampler, BruteForceSampler)):
        raise UserError(
            f"{_KEY}: {made.__name__} ends its study by itself, which workers that share it cannot follow",
            "use sweep=grid",
            key=_KEY,
        )
    if issubclass(made, CmaEsSampler) and len(objectives) > 1:
        names = ", ".join(objective.name for objective in objectives)
        raise UserError(
            f"CMA-ES improves one number, and sweep.objectives has {len(objectives)} ({names})",
            "use sweep=nsga2 or sweep=tpe, or one objective",
            key="sweep.objectives",
        )


def _seeded(node: dict[str, Any], seed: int, number: int, key: str) -> dict[str, Any]:
    """The node, and those within it, with the seeds of this trial."""
    made = target(node, key)
    filled = {
        name: _seeded(value, seed, number, f"{key}.{name}")
        if isinstance(value, dict) and "_target_" in value
        else value
        for name, value in node.items()
    }
    if not (isinstance(made, type) and issubclass(made, BaseSampler)):
        return filled
    own = node.get("seed")
    first = seed if own is None else own
    if "seed" not in inspect.signature(made).parameters:
        return filled
    drawn = _drawn(first, number, key)
    if not issubclass(made, QMCSampler):
        return {**filled, "seed": drawn}
    # One seed is one sequence, along which all trials walk. Only what it does not cover is drawn anew.
    if filled.get("independent_sampler") is None:
        filled["independent_sampler"] = {"_target_": "optuna.samplers.RandomSampler", "seed": drawn}
    return {**filled, "seed": first}


def _drawn(seed: int, number: int, key: str) -> int:
    if not 0 <= seed <= LARGEST_SEED:
        raise UserError(
            f"{key}.seed must be between 0 and {LARGEST_SEED}, got {seed}",
            "set sweep.seed",
            key=f"{key}.seed",
        )
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
