"""Plan: what is known of an experiment before anything is fitted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from omegaconf import DictConfig

from harness.config.finish_config import finish
from harness.config.instantiate import check
from harness.core.errors import UserError
from harness.core.finding import Finding
from harness.core.fold import Fold
from harness.core.table import Table
from harness.data.cache.cache import Cache
from harness.prepare import data_pipeline
from harness.prepare.initial_weights import Origin, find_origins
from harness.prepare.pretrain_config import pretraining
from harness.runtime.distributed import alike, share


@dataclass(frozen=True)
class Plan:
    """The checked configuration, the rows, and how they are divided.

    cfg       the configuration without any `auto`
    chosen    what each `auto` came to, by key
    findings  what the leakage guards saw
    cache     where rows and fitted arrays are kept
    origins   the weights that each fold starts from, by its number, where they are not random
    before    what each fold learns first, of the same rows; None: nothing
    """

    cfg: DictConfig
    chosen: dict[str, str]
    table: Table
    folds: list[Fold]
    findings: list[Finding] = field(default_factory=list)
    cache: Cache = field(default_factory=lambda: Cache(None))
    origins: dict[int, Origin] = field(default_factory=dict)
    before: Plan | None = None


def make_plan(cfg: DictConfig) -> Plan:
    """Checks the configuration, reads the rows, divides them and looks for leaks.

    Raises:
        UserError: configuration or data is wrong.
    """
    check(cfg)
    cache = data_pipeline.open_cache(cfg)
    table = data_pipeline.read(cfg, cache)
    _require_same(table)
    cfg, chosen = finish(cfg, table)
    whole = data_pipeline.divide(cfg, table)
    folds = data_pipeline.with_few_labels(cfg, table, whole)
    # A leak is one whether labels are hidden or not, and what a fold is worth is told with all of them.
    plan = Plan(cfg, chosen, table, folds, data_pipeline.inspect(cfg, table, whole, cache), cache)
    return replace(plan, origins=find_origins(cfg, table, folds), before=_before(plan))


def _require_same(table: Table) -> None:
    """Whether the processes of torchrun have read the same rows, each for itself.

    Raises:
        UserError: the source changed between their reads, or is random.
    """
    if not alike(table.digest):
        raise UserError(
            f"the processes of torchrun must read the same rows, and {share(table.name)} differs from one "
            "to another; name a source in data.extract that stays as it is between two reads, such as a file."
        )


def _before(plan: Plan) -> Plan | None:
    """The plan of the pre-training; weights that were given are where it starts."""
    found = pretraining(plan.cfg, plan.table)
    if found is None:
        return None
    cfg, chosen = found
    return replace(plan, cfg=cfg, chosen=chosen, origins=find_origins(cfg, plan.table, plan.folds))
