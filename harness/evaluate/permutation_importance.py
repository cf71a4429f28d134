"""Permutation importance and partial dependence of the raw columns of a table.

Permutation importance is how much a score grows worse where the values of a column are exchanged between rows
(Breiman 2001, doi:10.1023/A:1010933404324; Fisher et al. 2019, arXiv:1801.01489). Columns that tell the same
share it: each alone may show little. Partial dependence is the mean prediction where all rows have the same
value in a column (Friedman 2001, doi:10.1214/aos/1013203451).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from harness.core.errors import UnknownName
from harness.core.scores import direction
from harness.core.table import Table
from harness.core.task import Task

_LEAST_ROWS = 20
"""With fewer rows than these, unless the part has no more, nothing is computed."""

_CURVE_ROWS = 200
"""Rows over which a partial dependence is the mean."""

_MOST_OUTPUTS = 6
"""Classes or targets of which a partial dependence is computed."""

Predict = Callable[[Table], Tensor]
"""Rows -> (n, C) log-probabilities, or (n,) or (n, T) numbers, float64 on the CPU: as `Evaluator.pool`
takes."""

Measure = Callable[[Tensor, Tensor], dict[str, float]]


@dataclass(frozen=True)
class Curve:
    """The partial dependence on a column.

    values    (P,) as text; numbers in increasing order, or the most frequent categories
    numeric   whether they are numbers
    outputs   names of classes, labels or targets; [""] of a single number
    means     (P, outputs) mean probability, or mean prediction in the target's unit
    """

    values: list[str]
    numeric: bool
    outputs: list[str]
    means: list[list[float]]


@dataclass(frozen=True)
class Importance:
    """The importance of the columns in a fold.

    score    that grew worse
    rows     how many were permuted
    worse    by column, how much worse the score is after each permutation; above 0: the column helps
    curves   by column, of the most important ones
    """

    score: str
    rows: int
    worse: dict[str, list[float]]
    curves: dict[str, Curve] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def restored(cls, content: dict[str, Any]) -> Importance:
        """From plain values."""
        curves = {name: Curve(**curve) for name, curve in content["curves"].items()}
        return cls(content["score"], content["rows"], content["worse"], curves)


class TooLong(Exception):
    """The table has too many columns for the work that is allowed."""


class PermutationImportance:
    """Settings of the importance; `conf/evaluate/importance/auto.yaml` describes them.

    Raises:
        ValueError: a number is too small.
    """

    def __init__(
        self,
        *,
        score: str | None = None,
        repeats: int = 5,
        rows: int = 1000,
        cells: int = 30_000_000,
        curves: int = 3,
        points: int = 20,
    ) -> None:
        for name, value, least in (
            ("repeats", repeats, 1),
            ("rows", rows, 2),
            ("cells", cells, 1),
            ("curves", curves, 0),
            ("points", points, 2),
        ):
            if value < least:
                raise ValueError(f"{name} must be {least} or more, got {value}")
        self._score, self._repeats, self._rows = score, repeats, rows
        self._cells, self._curves, self._points = cells, curves, points

    def score_of(self, task: Task, known: Sequence[str]) -> str | None:
        """The score that is followed; None where the user named none and the usual one is not computed.

        Args:
            known: those that the evaluation can compute from predictions.

        Raises:
            UnknownName: it is none of them.
        """
        score = self._score or ("rmse" if task.kind == "regression" else "log_loss")
        if self._score is None and score not in known:
            return None
        if score not in known:
            raise UnknownName(
                f"evaluate.importance.score={score} is no score that is computed from predictions",
                score,
                known,
                key="evaluate.importance.score",
            )
        return score

    def __call__(
        self, table: Table, targets: Tensor, predict: Predict, measure: Measure, folds: int
    ) -> Importance | None:
        """The importance of the features of `table`, by its rows; None where `score_of` gives no score.

        Args:
            table: test rows with known targets; its features are columns, or a two-dimensional array.
            targets: (n,) or (n, T) of the rows, as in `Arrays`.
            predict: of other values in the same columns.
            measure: scores from predictions and targets.
            folds: how many folds share the work that is allowed.

        Raises:
            TooLong: the columns are too many.
            UnknownName: there is no such score.
        """
        names = feature_names(table)
        rows = self._drawn(len(table), len(names), folds)
        table, targets = table.with_rows(rows), targets[torch.from_numpy(rows)]
        before = measure(predict(table), targets)
        score = self.score_of(table.task, list(before))
        if score is None:
            return None
        sign = 1.0 if direction(score) == "minimize" else -1.0
        worse: dict[str, list[float]] = {}
        random = np.random.default_rng(0)
        orders = [random.permutation(len(rows)) for _ in range(self._repeats)]
        every = table.with_rows(np.tile(np.arange(len(rows)), self._repeats))
        for name in names:
            outputs = predict(with_column(every, name, lambda values: values[np.concatenate(orders)]))
            after = [measure(part, targets)[score] for part in torch.split(outputs, len(rows))]
            worse[name] = [sign * (value - before[score]) for value in after]
        first = sorted(names, key=lambda name: -float(np.mean(worse[name])))
        # One more for each, because the order over all folds may be another.
        curves = {name: self._curve(table, name, predict) for name in first[: 2 * self._curves]}
        return Importance(score, len(rows), worse, curves)

    @property
    def curves(self) -> int:
        """How many columns have a curve in the report."""
        return self._curves

    def _drawn(self, rows: int, columns: int, folds: int) -> np.ndarray:
        """Positions of the rows that are permuted, in order."""
        allowed = self._cells // (max(1, folds) * self._repeats * columns**2)
        if allowed < min(rows, _LEAST_ROWS):
            raise TooLong(
                f"no feature importance: {columns:,} columns would take long; a larger "
                "evaluate.importance.cells computes it"
            )
        most = min(rows, self._rows, allowed)
        return np.sort(np.random.default_rng(0).permutation(rows)[:most])

    def _curve(self, table: Table, name: str, predict: Predict) -> Curve:
        table = table.with_rows(np.arange(min(len(table), _CURVE_ROWS)))
        column = column_of(table, name)
        values, numeric = _grid(column, self._points)
        rows, points = len(table), len(values)
        every = table.with_rows(np.tile(np.arange(rows), points))
        taken = np.repeat(np.arange(points), rows)
        outputs = predict(with_column(every, name, lambda _: values.iloc[taken].reset_index(drop=True)))
        shown, means = _shown(outputs, table.task)
        means = means.reshape(points, rows, -1).mean(dim=1)
        return Curve([str(value) for value in values], numeric, shown, means.tolist())


def feature_names(table: Table) -> list[str]:
    """The raw columns; of an array "feature 0" and so on."""
    if table.array is None:
        return list(table.features)
    return [f"feature {place}" for place in range(table.array.shape[1])]


def column_of(table: Table, name: str) -> pd.Series:
    """The values of a raw column."""
    if table.array is None:
        return table.frame[name]
    return pd.Series(table.array[:, int(name.removeprefix("feature "))])


def with_column(table: Table, name: str, change: Callable[[pd.Series], pd.Series]) -> Table:
    """The table with other values in one raw column."""
    values = change(column_of(table, name)).reset_index(drop=True)
    if table.array is None:
        frame = table.frame.copy(deep=False)
        frame[name] = values
        return table.with_frame(frame).with_task(table.task)
    array = table.array.copy()
    array[:, int(name.removeprefix("feature "))] = values.to_numpy()
    return table.with_values(array).with_task(table.task)


def _grid(column: pd.Series, points: int) -> tuple[pd.Series, bool]:
    """Values of a column at which a curve is computed, of its own type, and whether they are numbers."""
    known = column.dropna()
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    dated = pd.api.types.is_datetime64_any_dtype(column)
    if not (numeric or dated) or known.nunique() <= points:
        kept = known.value_counts().index[:points]
        values = sorted(kept) if numeric or dated else kept
        return pd.Series(values, dtype=column.dtype), numeric
    # Between the outermost twentieths: beyond them are few rows, and the curve would be extrapolated.
    ordered = known.sort_values().reset_index(drop=True)
    places = np.unique(np.linspace(0.05, 0.95, points) * (len(ordered) - 1)).astype(np.int64)
    return ordered.iloc[places].drop_duplicates().reset_index(drop=True), numeric


def _shown(outputs: Tensor, task: Task) -> tuple[list[str], Tensor]:
    """Names and (n, outputs) values of what a curve shows: of two classes the second alone."""
    if task.kind == "regression":
        names = list(task.columns) or [""]
        values = outputs.reshape(len(outputs), -1)
    else:
        names, values = list(task.classes), outputs.exp()
        if task.kind == "binary":
            names, values = names[1:], values[:, 1:]
    return names[:_MOST_OUTPUTS], values[:, :_MOST_OUTPUTS]
