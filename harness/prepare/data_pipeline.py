"""The steps from the data's source to the arrays of a fold: extract, arrange, split, check, transform."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from inspect import signature
from typing import Any

import numpy as np
from omegaconf import DictConfig

from harness.config.finish_config import chosen
from harness.config.instantiate import target
from harness.config.nodes import nodes
from harness.core.arithmetic_version import in_arithmetic
from harness.core.arrays import Arrays
from harness.core.errors import UserError, refusing
from harness.core.finding import Finding
from harness.core.fold import Fold
from harness.core.protocol import Transform
from harness.core.row_settings import RowSettings
from harness.core.table import Table
from harness.core.walk import passes
from harness.data.cache.cache import Cache, Settings
from harness.leakage.run_checks import check_leakage, check_unconditional
from harness.prepare.parts import Parts, plain
from harness.split import ensemble_parts
from harness.split.hide_labels import hide
from harness.split.nested import Nested
from harness.split.predefined import Predefined
from harness.trainer.device import find_device

ENSEMBLE = "ensemble"
"""The setting of `split` that makes each fold an ensemble."""


def open_cache(cfg: DictConfig) -> Cache:
    """The cache that `data.cache` describes."""
    node = cfg.data.cache
    return Cache(Settings(**plain(node)) if isinstance(node, DictConfig) else None)


def read_rows(parts: Parts, cache: Cache) -> Table:
    """The rows of the source, as the transform of a finished configuration arranges them.

    Raises:
        UserError: the source cannot be read, or its rows do not fit their roles.
    """
    return arrange_rows(parts, extract_rows(parts, cache), cache)


def extract_rows(parts: Parts, cache: Cache) -> Table:
    """The rows of the source.

    Raises:
        UserError: the source cannot be read, or its rows do not fit their roles.
    """
    passes("extract")
    return cache.extract(parts.node("data.extract"), parts.extract)


def row_settings(parts: Parts, table: Table, cache: Cache) -> RowSettings:
    """The arguments of the transform that the user left to the rows; none where it has no such arguments."""
    look = parts.transform_method("settings_for")
    if look is None:
        return RowSettings()
    with refusing("data.transform"):
        return cache.row_settings(parts.node("data.transform"), table, lambda: look(table))


def arrange_rows(parts: Parts, table: Table, cache: Cache) -> Table:
    """The rows as the transform arranges them before the split; the same rows where it arranges none.

    Raises:
        UserError: the transform refuses them.
    """
    arrange = parts.transform_method("arrange")
    if arrange is None:
        return table
    passes("arrange")
    device = find_device(parts.cfg.trainer.device)
    with refusing("data.transform"):
        return cache.arrange(
            parts.node("data.transform"), arrange, table, lambda size: parts.load.holds(size, device)
        )


def split_rows(parts: Parts, table: Table, cache: Cache) -> list[Fold]:
    """The folds of the split.

    Raises:
        UserError: the rows cannot be divided so.
    """
    passes("split")
    folds = cache.folds(parts.node("split"), parts.cfg.seed, table, lambda: list(parts.split(table)))
    if not folds:
        raise UserError(
            f"split={chosen(parts.cfg, 'split')} gives no fold of {table.name}",
            "choose another split",
            key="split",
        )
    return folds


def check_ensemble(parts: Parts) -> None:
    """Checks `split.ensemble` before the rows are read.

    Raises:
        UserError: the split, the trainer or another setting leaves no ensemble of networks to train.
    """
    networks, split = parts.cfg.split.get(ENSEMBLE), parts.split
    if networks is None:
        return
    trainer: Any = target(parts.cfg.trainer, "trainer")
    asked, name = f"split.ensemble={networks}", chosen(parts.cfg, "split")
    if isinstance(split, Nested):
        reason = f"{asked} deals the rows that a fold does not test, as the inner split of split=nested does"
        remedy = "leave one of them out"
    elif getattr(split, "timed", False):
        reason = f"{asked} deals training and validation rows anew, and split={name} keeps their order"
        remedy = "leave it out"
    elif isinstance(split, Predefined):
        reason = f"{asked} deals training and validation rows anew, and split={name} takes the parts as given"
        remedy = "leave it out, or choose another split, such as split=kfold"
    elif parts.cfg.split.get("labelled") is not None:
        reason = f"{asked} trains with every row and validates by it, so split.labelled could hide no label"
        remedy = "leave one of them out"
    elif trainer.learns == "representation":
        reason = f"{asked} averages predictions, and this trainer learns representations instead"
        remedy = "leave it out, or choose trainer=supervised"
    else:
        return
    raise UserError(reason, remedy, key=f"split.{ENSEMBLE}")


def with_networks(parts: Parts, table: Table, folds: list[Fold]) -> list[Fold]:
    """The folds after `split.ensemble`: each as many as it trains networks.

    Raises:
        UserError: a fold has too few rows or groups, or the evaluation cannot score a mean prediction.
    """
    split = parts.cfg.split
    networks = split.get(ENSEMBLE)
    if networks is None:
        return folds
    if not hasattr(parts.evaluate, "pool"):
        raise UserError(
            f"split.ensemble={networks} scores the mean of predictions, and evaluate="
            f"{chosen(parts.cfg, 'evaluate')} has no method `pool` for that",
            "leave it out, or choose another evaluation",
            key=f"split.{ENSEMBLE}",
        )
    return ensemble_parts.with_networks(
        table,
        folds,
        networks,
        grouped=bool(getattr(parts.split, "grouped", False)),
        shuffle=bool(split.get("shuffle", True)),
        seed=int(split.get("seed") or 0),
    )


def hide_labels(cfg: DictConfig, table: Table, folds: list[Fold]) -> list[Fold]:
    """The folds after `split.labelled`: training rows without their label become unlabelled rows.

    Raises:
        UserError: there are not so many, or fewer than classes.
    """
    labelled = cfg.split.get("labelled")
    if labelled is None:
        return folds
    return [hide(table, fold, labelled, cfg.split.get("seed", 0)) for fold in folds]


def find_leaks(parts: Parts, table: Table, folds: Sequence[Fold], cache: Cache) -> list[Finding]:
    """The findings of the leakage guard.

    Raises:
        UserError: something that makes every score worthless; with split.guard=error, anything.
    """
    passes("guard")
    strict = parts.cfg.split.get("guard", "warn")
    split = parts.split
    promises: dict[str, Any] = {name: bool(getattr(split, name, False)) for name in ("grouped", "timed")}
    promises["split"] = chosen(parts.cfg, "split")
    if strict == "off":
        findings = check_unconditional(table, folds, **promises)
    else:
        findings = cache.findings(table, folds, promises, lambda: check_leakage(table, folds, **promises))
    refused = [finding for finding in findings if finding.severity == "error"]
    if strict == "error":
        refused += [finding for finding in findings if finding.severity == "warning"]
    if refused:
        raise UserError(refused[0].sentence)
    return findings


def fit_transform(
    parts: Parts, table: Table, fold: Fold, cache: Cache, hidden: np.ndarray | None = None
) -> tuple[Transform, Arrays]:
    """A transform fitted on the fold's training rows only, and the arrays of all rows.

    The targets of unlabelled rows are unknown to both, also where the split only hides them.

    Args:
        hidden: (n,) int64, the unlabelled rows; None: those of the fold. A trainer that learns from them
            has them in the fold's training part, where nothing else marks them.
    """
    node = parts.node("data.transform")
    table = table.with_hidden_target(fold.unlabelled if hidden is None else hidden)
    passes("transform")
    seed = parts.cfg.seed if _draws(node) else None

    def make() -> tuple[Transform, Arrays]:
        made = parts.new_transform()
        with refusing("data.transform"):
            return made, cache.fit(node, made, table, fold.train, seed)

    transform, arrays = cache.fitted(node, table, fold.train, seed, make)
    return transform, in_arithmetic(arrays, parts.cfg)


def _draws(content: dict[str, Any]) -> bool:
    """Whether a part of a transform takes its random numbers from the run's seed."""
    takers = (node for node in nodes(content) if _takes_random_state(target(node, "data.transform")))
    return any(node.get("random_state") is None for node in takers)


@cache
def _takes_random_state(function: Callable[..., Any]) -> bool:
    try:
        return "random_state" in signature(function).parameters
    except ValueError:
        return True  # written in C, so its signature is not known
