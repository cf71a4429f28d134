"""Plan: what is known of an experiment before anything is fitted."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import DictConfig

from harness import pipeline
from harness.auto import finish
from harness.build import check
from harness.cache.cache import Cache
from harness.finding import Finding
from harness.fold import Fold
from harness.table import Table


@dataclass(frozen=True)
class Plan:
    """The checked configuration, the rows, and how they are divided.

    cfg       the configuration without any `auto`
    chosen    what each `auto` came to, by key
    findings  what the leakage guards saw
    cache     where rows and fitted arrays are kept
    """

    cfg: DictConfig
    chosen: dict[str, str]
    table: Table
    folds: list[Fold]
    findings: list[Finding] = field(default_factory=list)
    cache: Cache = field(default_factory=lambda: Cache(None))


def make_plan(cfg: DictConfig) -> Plan:
    """Checks the configuration, reads the rows, divides them and looks for leaks.

    Raises:
        UserError: configuration or data is wrong.
    """
    check(cfg)
    cache = pipeline.open_cache(cfg)
    table = pipeline.read(cfg, cache)
    cfg, chosen = finish(cfg, table)
    whole = pipeline.divide(cfg, table)
    folds = pipeline.with_few_labels(cfg, table, whole)
    # A leak is one whether labels are hidden or not, and what a fold is worth is told with all of them.
    return Plan(cfg, chosen, table, folds, pipeline.inspect(cfg, table, whole, cache), cache)
