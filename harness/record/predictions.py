"""Predictions of the test rows as a table, and their pooling over folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from harness.core.fold import Fold
from harness.core.predictor import probabilities
from harness.core.table import Table
from harness.core.task import Task
from harness.evaluate.classification_metrics import log_probabilities
from harness.evaluate.scored_rows import known
from harness.runs.validation_rows import ValidationRows

Measure = Callable[[Tensor, Tensor], dict[str, float]]


class Part(Protocol):
    """Rows and targets of a part: its loader's, or those that were kept of it."""

    @property
    def rows(self) -> Tensor:
        """(n,) int64, positions in the table."""
        ...

    @property
    def targets(self) -> Tensor | None:
        """(n,) or (n, T) as in `Arrays`."""
        ...


class RowOutputs(NamedTuple):
    """Raw network outputs of some rows, on the CPU, in the order of `rows`."""

    rows: Tensor
    targets: Tensor | None
    outputs: Tensor


class FoldPredictions(NamedTuple):
    """The predictions of a fold for its test rows.

    frame    a line per row: position, id and group where there are, fold, target, prediction; for
             classes also one probability column `probability_<class>` each. Several targets have a
             `target_<column>` and a `prediction_<column>` each, labels a `probability_<column>` too
    outputs  (n, C) float64 log-probabilities (of labels: that each is present), or float64 numbers
             (n,), of several targets (n, T); on the CPU
    targets  (n,) or (n, T) as in `Arrays`, on the CPU, or None
    numbers  whether the outputs are numbers
    """

    frame: pd.DataFrame
    outputs: Tensor
    targets: Tensor | None
    numbers: bool

    def only(self, kept: np.ndarray) -> FoldPredictions:
        """Some of the rows, by a mask (n,) of bool."""
        mask = torch.from_numpy(kept)
        targets = None if self.targets is None else self.targets[mask]
        return FoldPredictions(self.frame[kept], self.outputs[mask], targets, self.numbers)


def fold_predictions(table: Table, fold: Fold, part: Part, outputs: Tensor) -> FoldPredictions:
    """The predictions of a part; `outputs` are in the order of `part.rows`.

    Everything is computed on the CPU, so that outputs read back from the disk give the same result.
    """
    outputs = outputs.cpu()
    task, scaled = table.task, outputs
    if task.classification:
        scaled = log_probabilities(outputs)
    elif task.kind == "multilabel":
        scaled = logsigmoid(outputs.double())
    targets = None if part.targets is None else part.targets.cpu()
    frame = predictions(table, fold, part, outputs, task)
    return FoldPredictions(frame, scaled.double(), targets, task.kind == "regression")


def pool(folds: Sequence[FoldPredictions], measure: Measure) -> dict[str, float]:
    """The scores of all folds' predictions as if they were one part's, by plain name.

    A row that several folds test counts once, with its mean probabilities (or its mean number).
    """
    targets = [fold.targets for fold in folds if fold.targets is not None]
    if not targets:
        return {}
    rows = torch.from_numpy(np.concatenate([fold.frame["row"].to_numpy() for fold in folds]))
    outputs, answers = torch.cat([fold.outputs for fold in folds]), torch.cat(targets)
    own, place = torch.unique(rows, return_inverse=True)
    if len(own) < len(rows):
        numbers = folds[0].numbers
        sums = outputs.new_zeros((len(own), *outputs.shape[1:]))
        sums.index_add_(0, place, outputs if numbers else outputs.exp())
        counts = torch.bincount(place).double()
        means = sums / counts.reshape(-1, *[1] * (outputs.ndim - 1))
        outputs = means if numbers else means.log()
        answers = answers.new_empty((len(own), *answers.shape[1:])).index_copy_(0, place, answers)
    return measure(outputs, answers)


def validation_rows(table: Table, fold: Fold, outputs: RowOutputs) -> ValidationRows | None:
    """The validation rows of a fold whose targets are known; None where there is none."""
    if outputs.targets is None:
        return None
    kept = known(outputs.targets)
    if not kept.any():
        return None
    row = outputs.rows[kept].cpu().numpy()
    return ValidationRows(
        table.task,
        fold=np.full(len(row), fold.number, dtype=np.int32),
        row=row,
        group=_groups(table)[row],
        target=outputs.targets[kept].cpu().numpy(),
        output=outputs.outputs[kept].cpu().numpy(),
    )


def _groups(table: Table) -> np.ndarray:
    """(N,) int64: a code for the rows of each group; a row without a group is one of its own."""
    places = np.arange(len(table), dtype=np.int64)
    if table.group is None:
        return places
    codes, names = pd.factorize(table.frame[table.group])
    return np.where(codes >= 0, codes, len(names) + places).astype(np.int64)


_OWN = ("row", "fold", "target", "prediction")
_OWN_BEGINNINGS = ("target_", "prediction_", "probability_")
"""Columns of `FoldPredictions.frame` that no id or group of that name may overwrite."""


def predictions(table: Table, fold: Fold, part: Part, outputs: Tensor, task: Task) -> pd.DataFrame:
    """`FoldPredictions.frame` of a part."""
    rows = part.rows.cpu().numpy()
    values = {"row": rows}  # one frame at the end: with hundreds of folds, each step on it would count
    for role, column in (("id", table.id), ("group", table.group)):
        if column is not None:
            taken = column in _OWN or column.startswith(_OWN_BEGINNINGS)
            values[f"{role}_{column}" if taken else column] = table.frame[column].to_numpy()[rows]
    values["fold"] = np.full(len(rows), fold.number, dtype=np.int64)
    if task.several:
        return pd.concat([pd.DataFrame(values), _several(part, outputs, task)], axis=1)
    true = np.empty(0) if part.targets is None else part.targets.cpu().numpy()
    if not task.classification:
        return pd.DataFrame({**values, "target": true, "prediction": outputs.cpu().numpy()})
    names = np.array([*task.classes, None], dtype=object)  # an unlabelled row's -1 picks the last
    shares = probabilities(outputs).cpu().numpy()
    values |= {"target": names[true], "prediction": names[shares.argmax(axis=1)]}
    return pd.DataFrame({**values, **dict(zip(columns(task), shares.T, strict=True))})


def _several(part: Part, outputs: Tensor, task: Task) -> pd.DataFrame:
    """Targets, predictions and, of labels, probabilities: a column each per target."""
    names = task.columns or task.classes
    true = torch.full(outputs.shape, torch.nan) if part.targets is None else part.targets
    predicted = outputs if task.columns else outputs.sigmoid()
    columns_of = {f"target_{name}": true[:, place] for place, name in enumerate(names)}
    columns_of |= {f"prediction_{name}": predicted[:, place] for place, name in enumerate(names)}
    frame = pd.DataFrame({name: values.cpu().numpy() for name, values in columns_of.items()})
    if task.columns:
        return frame
    chances = frame[[f"prediction_{name}" for name in names]].set_axis(columns(task), axis=1)
    frame = frame.assign(**{f"prediction_{name}": chances[f"probability_{name}"] > 0.5 for name in names})
    return pd.concat([frame.astype("Int64"), chances], axis=1)  # whole numbers, also where some are unknown


def columns(task: Task) -> list[str]:
    """The probability columns, in the order of the classes or labels."""
    return [f"probability_{name}" for name in task.classes]
