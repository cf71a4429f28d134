"""The length of a training where the user left it to harness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from harness.config.auto_choices import choose_epochs
from harness.config.instantiate import target
from harness.core.fold import Fold
from harness.core.table import Table
from harness.runtime.config_nodes import copied

_EPOCHS = "trainer.epochs"


def with_enough_epochs(
    cfg: DictConfig, chosen: dict[str, str], table: Table, folds: Sequence[Fold]
) -> tuple[DictConfig, dict[str, str]]:
    """The configuration and the choices with more epochs for few training rows, where `auto` chose them.

    Images and numbers to predict need the steps. Classes of small tables do not: on wine and heart, 600 steps
    were no better than 40 to 80 (docs/log.md). Weights that were learned before need fewer. All folds take
    the epochs of the one with the most training rows, so that no fold is much longer than the 300 steps.
    """
    trainer: Any = target(cfg.trainer, "trainer")
    supervised = trainer.learns != "representation" and not trainer.learns_unlabelled
    pretrained = cfg.pretrain.words is not None or cfg.model.get("weights") is not None
    needy = supervised and not pretrained and (table.kind == "image" or table.task.kind == "regression")
    batch, accumulate = cfg.data.load.get("batch_size"), OmegaConf.select(cfg, "trainer.update.accumulate")
    rows = max((len(fold.train) for fold in folds), default=0)
    if _EPOCHS not in chosen or not needy or not rows or not isinstance(batch, int):
        return cfg, chosen
    epochs = choose_epochs(rows, batch * (accumulate or 1))
    cfg = copied(cfg)
    OmegaConf.update(cfg, _EPOCHS, epochs)
    return cfg, {**chosen, _EPOCHS: str(epochs)}
