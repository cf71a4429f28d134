"""The embedding of a table's numbers where the user left it to harness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from harness.config.auto_choices import NUMERIC
from harness.config.choice_files import choice, choices
from harness.config.instantiate import target
from harness.core.fold import Fold
from harness.core.table import Table
from harness.prepare.initial_weights import InitialWeights
from harness.prepare.weights_leakage import training_config
from harness.runtime.config_nodes import copied

_GROUP = NUMERIC.replace(".", "/")
_EMBEDDING = "piecewise_linear"

_LEAST_ROWS_OF_NUMBERS, _LEAST_ROWS_OF_CLASSES = 600, 1000
"""Training rows from which tables gained (docs/log.md); one with two noisy classes and 730 rows lost."""

_MOST_FEATURES = 20
"""The most columns of the tables that gained. With 64 columns of pixels the training took several times as
long and was no better for new writers; each column becomes 16 numbers."""


def with_embedded_numbers(
    cfg: DictConfig,
    chosen: dict[str, str],
    table: Table,
    folds: Sequence[Fold],
    weights: Mapping[int, InitialWeights],
) -> tuple[DictConfig, dict[str, str]]:
    """The configuration and the choices with the embedding of numbers that `auto` means for these rows.

    Targets of tables bend along single columns, which the hidden layers learn slowly: with the embedding the
    RMSE of concrete fell from 6.1 to 5.2, the log-loss of segment from .143 to .088 (docs/log.md). With few
    rows the numbers stay as they are. A model that has an embedding of its own (`own_embedding`) gets that
    one, unless its table has no numbers. Where weights of an earlier run are loaded, its embedding is used.
    """
    if OmegaConf.select(cfg, NUMERIC) != "auto":
        return cfg, chosen
    cfg = copied(cfg)
    own: str | None = getattr(target(cfg.model, "model"), "own_embedding", None)
    if cfg.model.get("weights") is not None:
        name = _of_weights(weights, own)
    elif own is not None:
        name = own if table.kind != "table" or _all_have_numbers(table, folds) else None
    else:
        name = _EMBEDDING if _gains(cfg, table, folds) else None
    OmegaConf.update(cfg, NUMERIC, None if name is None else choice(_GROUP, name), merge=False)
    return cfg, chosen if name is None else {**chosen, NUMERIC: name}


def _of_weights(weights: Mapping[int, InitialWeights], unknown: str | None) -> str | None:
    """The embedding of the run that learned the weights; None where it had none that is a choice.

    Args:
        unknown: what is returned where the run is not known.
    """
    for each in weights.values():
        if not each.run:
            break
        made = training_config(each.file, each.run)["model"].get("numeric")
        named = (name for name in choices(_GROUP) if name not in ("auto", "none"))
        return next((name for name in named if choice(_GROUP, name) == made), None)
    return unknown


def _gains(cfg: DictConfig, table: Table, folds: Sequence[Fold]) -> bool:
    """Whether the training is one of those that gained from the embedding in docs/log.md."""
    trainer: Any = target(cfg.trainer, "trainer")
    supervised = trainer.learns != "representation" and not trainer.learns_unlabelled
    if not supervised or cfg.pretrain.words is not None or table.kind != "table":
        return False
    tabular = str(OmegaConf.select(cfg, "data.transform._target_")).endswith(".Tabular")
    if not tabular or not 0 < len(table.features) <= _MOST_FEATURES or not folds:
        return False
    least = _LEAST_ROWS_OF_NUMBERS if table.task.kind == "regression" else _LEAST_ROWS_OF_CLASSES
    return all(len(fold.train) >= least for fold in folds) and _all_have_numbers(table, folds)


def _all_have_numbers(table: Table, folds: Sequence[Fold]) -> bool:
    return all(_has_numbers(table, fold) for fold in folds)


def _has_numbers(table: Table, fold: Fold) -> bool:
    """Whether a column of numbers has more than two values in the training rows."""
    columns = (table.frame[name] for name in table.features)
    numbers = (column for column in columns if pd.api.types.is_numeric_dtype(column))
    return any(column.iloc[fold.train].nunique() > 2 for column in numbers)
