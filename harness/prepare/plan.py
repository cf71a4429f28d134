"""Plan: configuration, rows and folds of an experiment, before anything is fitted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from omegaconf import DictConfig, OmegaConf

from harness.config.finish_config import finish
from harness.config.instantiate import check
from harness.core.errors import UserError
from harness.core.finding import Finding
from harness.core.fold import Fold
from harness.core.table import Table
from harness.data.cache.cache import Cache
from harness.data.cache.command_scope import current
from harness.prepare import data_pipeline
from harness.prepare.fixed_parts import fixed_parts_note
from harness.prepare.imbalance_note import imbalance_note
from harness.prepare.initial_weights import InitialWeights, find_initial_weights
from harness.prepare.numeric_choice import with_embedded_numbers
from harness.prepare.parts import Parts, plain
from harness.prepare.pretrain_config import pretraining
from harness.prepare.range_notes import is_bounded, range_notes
from harness.prepare.sealed_test import find_seal
from harness.prepare.training_length import with_training_length
from harness.prepare.value_notes import header_note, value_notes
from harness.runs.held_out_rows import HeldOutRows
from harness.runtime.config_nodes import copied
from harness.runtime.process_group import broadcast, same_in_all

_TRANSFORM = "data.transform"


@dataclass(frozen=True)
class Plan:
    """The checked configuration, the rows, and how they are divided.

    parts     what the configuration names, without any `auto`
    chosen    the value that replaced each `auto`, by key
    findings  of the leakage guard
    cache     where rows and fitted arrays are kept
    initial_weights   the weights that each fold starts from, by its number, where they are not random
    before    the plan of the pre-training on the same rows; None: there is none
    notes     sentences about the rows that the user must not miss
    fuse      how the folds are trained, see `harness.stages.fused_folds`; "": there is only one
    followed  the validation scores that each epoch needs beside the monitored one, by plain name; None: all
    sealed    the test rows, where they are sealed: nobody scores or predicts them; None: they are not
    """

    parts: Parts
    chosen: dict[str, str]
    table: Table
    folds: list[Fold]
    findings: list[Finding] = field(default_factory=list)
    cache: Cache = field(default_factory=lambda: Cache(None))
    initial_weights: dict[int, InitialWeights] = field(default_factory=dict)
    before: Plan | None = None
    notes: tuple[str, ...] = ()
    fuse: str = ""
    followed: frozenset[str] | None = None
    sealed: HeldOutRows | None = None

    @property
    def cfg(self) -> DictConfig:
        """The configuration; another one needs other parts, see `with_config`."""
        return self.parts.cfg

    def with_config(self, cfg: DictConfig, **changes: Any) -> Plan:
        """The plan with another configuration and other fields; parts whose settings are equal are kept."""
        return replace(self, parts=self.parts.with_config(cfg), **changes)


def make_plan(cfg: DictConfig) -> Plan:
    """Checks the configuration, reads the rows, divides them and looks for leaks.

    The configuration of the plan is a copy.

    Raises:
        UserError: configuration or data is wrong.
    """
    check(cfg)
    cache, parts = data_pipeline.open_cache(cfg), Parts(cfg)
    data_pipeline.check_ensemble(parts)
    _ = parts.tracking  # built here, so that its settings are refused before the rows are read
    table = data_pipeline.extract_rows(parts, cache)
    settings = data_pipeline.row_settings(parts, table, cache)
    cfg = _with_settings(cfg, settings.values)
    parts = parts.with_config(cfg)
    table = data_pipeline.arrange_rows(parts, table, cache)
    _require_same(table)
    cfg, chosen = finish(cfg, table)
    chosen = {f"{_TRANSFORM}.{name}": text for name, text in settings.texts().items()} | chosen
    parts = parts.with_config(cfg)
    whole = _split_rows(parts, table, cache)
    folds = data_pipeline.hide_labels(cfg, table, whole)
    cfg, chosen = with_training_length(cfg, chosen, table, folds)
    weights = find_initial_weights(cfg, table, folds)
    cfg, chosen = with_embedded_numbers(cfg, chosen, table, folds, weights)
    parts = parts.with_config(cfg)
    sealed = find_seal(cfg, table, folds)
    # The folds before labels are hidden: a hidden label can leak as well, and test rows keep theirs.
    findings = data_pipeline.find_leaks(parts, table, whole, cache)
    parts_note, *of_values = _table_notes(cfg, table)
    # The trials of a sweep mostly have the same table and split.
    bounded = is_bounded(cfg.data.transform)
    key = f"ranges {table.digest} {table.features} {plain(cfg.split)} {bounded}"
    of_values += current().shared(key, lambda: range_notes(table, folds, bounded))
    notes = tuple(filter(None, [parts_note, *settings.notes, *of_values, imbalance_note(cfg, table)]))
    plan = Plan(parts, chosen, table, folds, findings, cache, weights, notes=notes, sealed=sealed)
    return replace(plan, before=_before(plan))


def _split_rows(parts: Parts, table: Table, cache: Cache) -> list[Fold]:
    """The folds of the split.

    Raises:
        UserError: the rows cannot be divided so. A class that is too small often is none, so the sentences
            about the values of targets and groups are part of the remedy.
    """
    try:
        return data_pipeline.with_networks(parts, table, data_pipeline.split_rows(parts, table, cache))
    except UserError as error:
        notes = value_notes(table)
        if not notes:
            raise
        raise error.with_remedy("; ".join(notes)) from None


def _table_notes(cfg: DictConfig, table: Table) -> tuple[str | None, ...]:
    """The sentences about the values of a table; the trials of a sweep mostly have the same table."""
    roles = (table.name, table.features, table.target, table.group)
    extract = cfg.data.extract
    key = f"notes {table.digest} {table.types} {roles} {table.task} {cfg.split.get('column')} "
    key += f"{extract.get('header')} {extract.get('names')}"
    return current().shared(
        key, lambda: (fixed_parts_note(cfg, table), header_note(cfg, table), *value_notes(table))
    )


def _with_settings(cfg: DictConfig, values: dict[str, Any]) -> DictConfig:
    """The configuration with these arguments of the transform."""
    if not values:
        return cfg
    cfg = copied(cfg)
    for name, value in values.items():
        OmegaConf.update(cfg, f"{_TRANSFORM}.{name}", value, force_add=True)
    return cfg


def _require_same(table: Table) -> None:
    """Whether the processes of torchrun have read the same rows, each for itself.

    Raises:
        UserError: the source changed between their reads, or is random.
    """
    if not same_in_all(table.digest):
        raise UserError(
            f"the processes of torchrun must read the same rows, and {broadcast(table.name)} differs from "
            f"one "
            "to another",
            "name a source in data.extract that stays as it is between two reads, such as a file",
            key="data.extract",
        )


def _before(plan: Plan) -> Plan | None:
    """The plan of the pre-training; weights that were given are where it starts."""
    before = pretraining(plan.cfg, plan.table)
    if before is None:
        return None
    cfg, chosen = with_training_length(*before, plan.table, plan.folds)
    weights = find_initial_weights(cfg, plan.table, plan.folds)
    cfg, chosen = with_embedded_numbers(cfg, chosen, plan.table, plan.folds, weights)
    return plan.with_config(cfg, chosen=chosen, initial_weights=weights)
