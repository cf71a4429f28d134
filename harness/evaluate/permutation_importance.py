"""Permutation importance and partial dependence of the raw columns of a table.

Permutation importance is how much a score grows worse where the values of a column are exchanged between rows
(Breiman 2001, doi:10.1023/A:1010933404324; Fisher et al. 2019, arXiv:1801.01489). Columns that tell the same
share it: each alone may show little. Partial dependence is the mean prediction where all rows have the same
value in a column (Friedman 2001, doi:10.1214/aos/1013203451).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from harness.core.errors import UnknownName
from harness.core.scores import direction
from harness.core.table import Table
from harness.core.task import Task
from harness.evaluate.changed_columns import Change, column_of, feature_names, together

_LEAST_ROWS = 20
"""With fewer rows than these, unless the part has no more, nothing is computed."""

_CURVE_ROWS = 200
"""Rows over which a partial dependence is the mean."""

_MOST_OUTPUTS = 6
"""Classes or targets of which a partial dependence is computed."""

Predict = Callable[[Table], Tensor]
"""Rows -> (n, C) log-probabilities, or (n,) or (n, T) numbers, float64 on the CPU: as `Evaluator.pool`
takes."""


class Measure(Protocol):
    """Scores from predictions and targets."""

    def __call__(
        self, outputs: Tensor, targets: Tensor, /, *, names: Collection[str] | None = None
    ) -> dict[str, float]:
        """The named scores, or more; None: all."""
        ...


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
        for name, outputs in self._permuted(table, names, predict):
            after = [measure(part, targets, names=[score])[score] for part in torch.split(outputs, len(rows))]
            worse[name] = [sign * (value - before[score]) for value in after]
        first = sorted(names, key=lambda name: -float(np.mean(worse[name])))
        # One more for each, because the order over all folds may be another.
        curves = self._curves_of(table, first[: 2 * self._curves], predict)
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

    def _permuted(self, table: Table, names: Sequence[str], predict: Predict) -> Iterator[tuple[str, Tensor]]:
        """Each column, and the predictions of all rows after each of its permutations."""
        random = np.random.default_rng(0)
        orders = [random.permutation(len(table)) for _ in range(self._repeats)]
        rows, order = np.tile(np.arange(len(table)), self._repeats), np.concatenate(orders)
        changes = [Change(name, rows, column_of(table, name).array.take(order)) for name in names]
        for change, outputs in _predicted(table, changes, predict):
            yield change.column, outputs

    def _curves_of(self, table: Table, names: Sequence[str], predict: Predict) -> dict[str, Curve]:
        """The partial dependence on each of the columns."""
        table = table.with_rows(np.arange(min(len(table), _CURVE_ROWS)))
        rows = np.arange(len(table))
        grids = {name: _grid(column_of(table, name), self._points) for name in names}
        changes = []
        for name, (values, _) in grids.items():
            taken = np.repeat(np.arange(len(values)), len(rows))
            changes.append(Change(name, np.tile(rows, len(values)), values.array.take(taken)))
        curves = {}
        for change, outputs in _predicted(table, changes, predict):
            values, numeric = grids[change.column]
            shown, means = _shown(outputs, table.task)
            means = means.reshape(len(values), len(rows), -1).mean(dim=1)
            curves[change.column] = Curve([str(value) for value in values], numeric, shown, means.tolist())
        return curves


def _predicted(table: Table, changes: Sequence[Change], predict: Predict) -> Iterator[tuple[Change, Tensor]]:
    """Each change with the predictions of its rows."""
    for group, rows in together(table, changes):
        outputs = torch.split(predict(rows), [len(change.rows) for change in group])
        yield from zip(group, outputs, strict=True)


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
