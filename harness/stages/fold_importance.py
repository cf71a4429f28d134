"""The importance of the raw columns of a table in one fold, by its test rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from harness.core.error_text import described
from harness.core.table import Table
from harness.evaluate.permutation_importance import Importance, TooLong
from harness.evaluate.row_scores import as_pooled
from harness.evaluate.scored_rows import known, pooled
from harness.prepare.evaluation import build_importance
from harness.prepare.experiment import Experiment

_MOST_FOLDS = 20
"""With more folds nothing is computed: a fold has few test rows then, and many folds take long."""

_BATCH = 4096


@dataclass(frozen=True)
class FoldImportance:
    """The importance of the columns; `notes` say why it is missing."""

    importance: Importance | None = None
    notes: tuple[str, ...] = ()


def find_importance(experiment: Experiment, table: Table) -> FoldImportance:
    """Permutes each raw column of the test rows. A failure is a note: the run goes on.

    Nothing is computed for images and sequences, without known test targets, or for a representation. No
    random number of the run is drawn.
    """
    compute = build_importance(experiment.cfg)
    evaluator, test = experiment.evaluator, experiment.loaders.test
    if (
        compute is None
        or not hasattr(evaluator, "pool")
        or test is None
        or test.targets is None
        or table.kind != "table"
    ):
        return FoldImportance()
    if experiment.trainer.learns == "representation" or experiment.whole_folds > _MOST_FOLDS:
        return FoldImportance()
    kept = known(test.targets).cpu()
    rows, targets = test.rows.cpu()[kept].numpy(), test.targets.cpu()[kept]
    if len(rows) < 2:
        return FoldImportance()

    def predict(changed: Table) -> Tensor:
        return _predicted(experiment, changed)

    try:
        part = table.with_rows(rows)
        return FoldImportance(compute(part, targets, predict, partial(pooled, evaluator), experiment.folds))
    except TooLong as reason:
        return FoldImportance(notes=(str(reason),))
    except Exception as error:
        return FoldImportance(notes=(f"the importance of columns could not be computed: {described(error)}",))


def _predicted(experiment: Experiment, table: Table) -> Tensor:
    arrays = experiment.transform(table)
    predictor, device = experiment.predictor(), experiment.trainer.device
    every = np.arange(len(table))
    parts = []
    for first in range(0, len(every), _BATCH):
        outputs = predictor(arrays.take(every[first : first + _BATCH]).to(device)).outputs
        assert outputs is not None  # a trainer without outputs has been left out
        parts.append(outputs.cpu())
    return as_pooled(torch.cat(parts), experiment.loaders.task)
