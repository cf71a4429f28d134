"""The epochs of a training and the passes in an epoch, where both are left to harness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from harness.config.auto_choices import PASSES, choose_epochs, choose_passes
from harness.config.instantiate import target
from harness.core.fold import Fold
from harness.core.table import Table
from harness.runtime.config_nodes import copied

_EPOCHS = "trainer.epochs"


def with_training_length(
    cfg: DictConfig, chosen: dict[str, str], table: Table, folds: Sequence[Fold]
) -> tuple[DictConfig, dict[str, str]]:
    """The configuration and the choices with epochs and passes in an epoch, where `auto` chooses them.

    Few training rows get more epochs, and more passes in an epoch.

    Images and numbers to predict need the steps. Classes of small tables do not: on wine and heart, 600 steps
    were no better than 40 to 80 (docs/log.md). Weights that were learned before need fewer. All folds take
    the epochs and passes of the one with the most training rows, so that no fold is much longer than the 300
    steps.
    """
    trainer: Any = target(cfg.trainer, "trainer")
    supervised = trainer.learns != "representation" and not trainer.learns_unlabelled
    pretrained = cfg.pretrain.words is not None or cfg.model.get("weights") is not None
    needy = supervised and not pretrained and (table.kind == "image" or table.task.kind == "regression")
    batch, accumulate = cfg.data.load.get("batch_size"), OmegaConf.select(cfg, "trainer.update.accumulate")
    rows, valid_rows = max(((len(fold.train), len(fold.valid)) for fold in folds), default=(0, 0))
    given = cfg.data.load.get("passes", 1)  # a loader of the user's own may have no such argument
    undecided = given == "auto"
    made: dict[str, int] = {PASSES: 1} if undecided else {}
    of_a_step = batch * (accumulate or 1) if isinstance(batch, int) else 0
    # Loader and trainer refuse numbers below 1, later.
    if _EPOCHS in chosen and needy and rows and of_a_step > 0:
        passes = choose_passes(rows, valid_rows, of_a_step) if undecided else max(1, given)
        made = {_EPOCHS: choose_epochs(rows, of_a_step, passes)} | ({PASSES: passes} if undecided else {})
    if not made:
        return cfg, chosen
    cfg = copied(cfg)
    for key, value in made.items():
        OmegaConf.update(cfg, key, value)
    # One pass is what an epoch is without a choice.
    shown = {key: str(value) for key, value in made.items() if key == _EPOCHS or value > 1}
    named: dict[str, str] = {}
    for key, text in chosen.items():  # the passes beside the epochs
        named |= {key: text} | (shown if key == _EPOCHS else {})
    return cfg, named
