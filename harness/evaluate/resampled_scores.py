"""Scores of stored predictions in which rows count several times, or not at all, as in a bootstrap.

Scores that are means, roots of means, or made of a confusion matrix or of ranks are computed for all
resamples at once. Any other score is computed by the evaluator, resample by resample, on repeated rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from harness.core.task import Task
from harness.evaluate.row_scores import as_pooled

Pool = Callable[[torch.Tensor, torch.Tensor], Mapping[str, float]]
"""`Evaluator.pool`, see `harness.core.protocol`."""

Weighted = Callable[[np.ndarray], np.ndarray]
"""(B, n) counts of rows -> (B,) scores; NaN where a score is undefined."""

_MOST_CELLS = 1024  # of a confusion matrix whose resampled counts are one product of matrices
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class _Part:
    """The rows of one fold: places among all rows, and how to score them."""

    rows: np.ndarray
    score: Weighted


class ResampledScores:
    """The scores of several models on the same rows.

    The score of several folds is the mean over them, as in a run; a fold counts by how many of its rows the
    resample has.

    Args:
        task: of the data.
        fold: (n,) the fold of each row.
        target: (n,) or (n, T), as in `harness.core.arrays.Arrays`, all known.
        outputs: of each model, (n, C), (n,) or (n, T), as a network gives them.
        pool: computes the scores of predictions.
        name: of the score, such as "accuracy".

    Raises:
        KeyError: `pool` does not give the score.
    """

    def __init__(
        self,
        task: Task,
        fold: np.ndarray,
        target: np.ndarray,
        outputs: Sequence[np.ndarray],
        pool: Pool,
        name: str,
    ) -> None:
        self.rows = len(fold)
        self.quick = True
        self._places = [np.flatnonzero(fold == number) for number in np.unique(fold)]
        self._models = [self._parts(task, target, output, pool, name) for output in outputs]
        self._offsets = [0.0] * len(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def move_to(self, values: Sequence[float]) -> None:
        """Moves all scores of each model by one number, so that its score of all rows is the given one.

        So a model that stands for several, such as the networks of neighbouring epochs, has their mean score
        and the spread of its own rows.
        """
        self._offsets = [float(gap) for gap in np.asarray(values) - (self.full - self._offsets)]

    @property
    def full(self) -> np.ndarray:
        """(models,) the scores of all rows, each once."""
        once = np.ones((1, self.rows))
        return np.array([self(model, once)[0] for model in range(len(self))])

    def __call__(self, model: int, counts: np.ndarray) -> np.ndarray:
        """The scores of a model where row i counts `counts[b, i]` times.

        Args:
            counts: (B, n).

        Returns:
            (B,) float64; NaN where no fold has a score.
        """
        total, weight = np.zeros(len(counts)), np.zeros(len(counts))
        for part in self._models[model]:
            own = counts[:, part.rows]
            share = own.sum(axis=1) / len(part.rows)
            with np.errstate(divide="ignore", invalid="ignore"):
                score = part.score(own)
            defined = np.isfinite(score) & (share > 0)
            total += np.where(defined, share * np.where(defined, score, 0.0), 0.0)
            weight += np.where(defined, share, 0.0)
        mean = np.divide(total, weight, out=np.full(len(counts), math.nan), where=weight > 0)
        return np.asarray(mean + self._offsets[model])

    def _parts(
        self, task: Task, target: np.ndarray, output: np.ndarray, pool: Pool, name: str
    ) -> list[_Part]:
        return [self._part(task, target[rows], output[rows], rows, pool, name) for rows in self._places]

    def _part(
        self, task: Task, target: np.ndarray, output: np.ndarray, rows: np.ndarray, pool: Pool, name: str
    ) -> _Part:
        predicted = as_pooled(torch.from_numpy(output), task)
        known = torch.from_numpy(target)
        true = pool(predicted, known)[name]
        make = _QUICK.get((_family(task), name))
        if make is not None and predicted.numel():
            quick = make(predicted.numpy(), target)
            with np.errstate(divide="ignore", invalid="ignore"):
                same = math.isclose(quick(np.ones((1, len(rows))))[0], true, rel_tol=_TOLERANCE, abs_tol=1e-9)
            if same or not math.isfinite(true):
                return _Part(rows, quick)
        self.quick = False
        return _Part(rows, _one_by_one(predicted, known, pool, name))


def _family(task: Task) -> str:
    return "classes" if task.classification else "labels" if task.kind == "multilabel" else "numbers"


def _one_by_one(predicted: torch.Tensor, target: torch.Tensor, pool: Pool, name: str) -> Weighted:
    def score(counts: np.ndarray) -> np.ndarray:
        values = []
        for row in counts:
            drawn = torch.from_numpy(np.repeat(np.arange(len(row)), row.astype(np.int64)))
            values.append(pool(predicted[drawn], target[drawn])[name] if len(drawn) else math.nan)
        return np.array(values)

    return score


def _mean_of(values: np.ndarray) -> Weighted:
    """Of (n,) or (n, T) values of the rows: (B,) or (B, T)."""
    rows = values.astype(np.float64)

    def score(counts: np.ndarray) -> np.ndarray:
        total = counts.sum(axis=1)
        return np.asarray(counts @ rows / (total if rows.ndim == 1 else total[:, None]))

    return score


def _accuracy(log_p: np.ndarray, target: np.ndarray) -> Weighted:
    return _mean_of(log_p.argmax(axis=1) == target)


def _log_loss(log_p: np.ndarray, target: np.ndarray) -> Weighted:
    return _mean_of(-log_p[np.arange(len(target)), target])


def _macro_f1(log_p: np.ndarray, target: np.ndarray) -> Weighted:
    classes = log_p.shape[1]
    if classes**2 > _MOST_CELLS:
        return _undefined
    cells = np.zeros((len(target), classes**2))
    cells[np.arange(len(target)), target * classes + log_p.argmax(axis=1)] = 1

    def score(counts: np.ndarray) -> np.ndarray:
        matrix = (counts @ cells).reshape(-1, classes, classes)
        support = matrix.sum(axis=2)
        f1 = 2 * np.diagonal(matrix, axis1=1, axis2=2) / (support + matrix.sum(axis=1))
        present = support > 0
        return np.asarray(np.where(present, f1, 0.0).sum(axis=1) / present.sum(axis=1))

    return score


def _macro_auroc(log_p: np.ndarray, target: np.ndarray) -> Weighted:
    """The mean over the classes of the area under the ROC curve of a class against the others."""
    areas = [_area(log_p[:, code], target == code) for code in range(log_p.shape[1])]

    def score(counts: np.ndarray) -> np.ndarray:
        each = np.stack([area(counts) for area in areas])
        defined = np.isfinite(each)
        return np.asarray(np.where(defined, each, 0.0).sum(axis=0) / defined.sum(axis=0))

    return score


def _area(values: np.ndarray, member: np.ndarray) -> Weighted:
    """The area by rank sums, (n,) values and (n,) bool; a tie counts half."""
    order = np.argsort(values, kind="stable")
    inside = member[order].astype(np.float64)
    starts = np.flatnonzero(np.append(True, np.diff(values[order]) != 0))

    def score(counts: np.ndarray) -> np.ndarray:
        drawn = counts[:, order]
        positive = np.add.reduceat(drawn * inside, starts, axis=1)
        negative = np.add.reduceat(drawn * (1 - inside), starts, axis=1)
        below = np.cumsum(negative, axis=1) - negative
        won = (positive * (below + negative / 2)).sum(axis=1)
        return np.asarray(won / (positive.sum(axis=1) * negative.sum(axis=1)))

    return score


def _label_accuracy(log_p: np.ndarray, target: np.ndarray) -> Weighted:
    return _mean_of(((np.exp(log_p) > 0.5) == (target == 1)).mean(axis=1))


def _exact_match(log_p: np.ndarray, target: np.ndarray) -> Weighted:
    return _mean_of(((np.exp(log_p) > 0.5) == (target == 1)).all(axis=1))


def _absolute_error(predicted: np.ndarray, target: np.ndarray) -> Weighted:
    return _mean_of(np.abs(predicted - target).reshape(len(target), -1).mean(axis=1))


def _root_square_error(predicted: np.ndarray, target: np.ndarray) -> Weighted:
    squares = _mean_of(np.square(predicted - target).reshape(len(target), -1))
    return lambda counts: np.asarray(np.sqrt(squares(counts)).mean(axis=1))


def _determination(predicted: np.ndarray, target: np.ndarray) -> Weighted:
    """R2, the mean over the columns that vary."""
    errors = _mean_of(np.square(predicted - target).reshape(len(target), -1))
    centred = (target - target.mean(axis=0)).reshape(len(target), -1)
    first, second = _mean_of(centred), _mean_of(np.square(centred))

    def score(counts: np.ndarray) -> np.ndarray:
        spread = second(counts) - np.square(first(counts))
        varies = spread > 1e-12 * second(counts)
        each = np.where(varies, 1 - errors(counts) / np.where(varies, spread, 1.0), 0.0)
        return np.asarray(each.sum(axis=1) / varies.sum(axis=1))

    return score


def _undefined(counts: np.ndarray) -> np.ndarray:
    return np.full(len(counts), math.nan)


_QUICK: dict[tuple[str, str], Callable[[np.ndarray, np.ndarray], Weighted]] = {
    ("classes", "accuracy"): _accuracy,
    ("classes", "log_loss"): _log_loss,
    ("classes", "f1"): _macro_f1,
    ("classes", "auroc"): _macro_auroc,
    ("labels", "accuracy"): _label_accuracy,
    ("labels", "exact_match"): _exact_match,
    ("numbers", "mae"): _absolute_error,
    ("numbers", "rmse"): _root_square_error,
    ("numbers", "r2"): _determination,
}
