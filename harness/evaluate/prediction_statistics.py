"""Statistics of stored predictions: confusion, calibration, ROC curve, intervals. NumPy only.

`classification_metrics` computes the scores of a run from the model's outputs in torch. This module computes
what a report shows beside them, from `predictions.csv`, without importing torch or scikit-learn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_NORMAL = 1.959963984540054
"""The 97.5 % point of the standard normal distribution."""

_RESAMPLES = 1000


def confusion(target: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(C, C) int64 counts, the true class by row; both arguments (n,) codes."""
    counts = np.bincount(target * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def per_class(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 of each class, (C,) float64; 0 where a class has no row or no prediction."""
    right = np.diag(counts).astype(np.float64)
    precision = _ratio(right, counts.sum(axis=0))
    recall = _ratio(right, counts.sum(axis=1))
    return precision, recall, _ratio(2 * right, counts.sum(axis=0) + counts.sum(axis=1))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0))


def wilson(right: float, rows: float) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Args:
        right, rows: counts, or what correlated rows are worth in independent ones.
    """
    share, square = right / rows, _NORMAL**2
    middle = (share + square / (2 * rows)) / (1 + square / rows)
    half = _NORMAL / (1 + square / rows) * math.sqrt(share * (1 - share) / rows + square / (4 * rows**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap_interval(errors: np.ndarray, score: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """The 95 % percentile interval of a score of the rows' errors, from 1,000 resamples.

    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13. Deterministic.

    Args:
        errors: (n,).
        score: (B, n) errors -> (B,) scores.
    """
    random = np.random.default_rng(0)
    # In batches of 50, because all resamples of a large part would need too much memory.
    drawn = [
        score(errors[random.integers(len(errors), size=(50, len(errors)))]) for _ in range(_RESAMPLES // 50)
    ]
    low, high = np.quantile(np.concatenate(drawn), [0.025, 0.975])
    return float(low), float(high)


def bootstrap_counts(counts: np.ndarray, score: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """As `bootstrap_interval`, of a score of the confusion matrix: resampled rows fall into its cells.

    Args:
        counts: (C, C).
        score: (B, C, C) counts -> (B,) scores.
    """
    random, rows = np.random.default_rng(0), int(counts.sum())
    shares = counts.flatten() / rows
    drawn = [
        score(random.multinomial(rows, shares, size=50).reshape(50, *counts.shape))
        for _ in range(_RESAMPLES // 50)
    ]
    low, high = np.quantile(np.concatenate(drawn), [0.025, 0.975])
    return float(low), float(high)


def rank_interval(score: np.ndarray, positive: np.ndarray) -> tuple[float, float] | None:
    """The 95 % interval of the area under the ROC curve, on the logit scale, so that it stays below 1.

    The variance is that of DeLong, DeLong and Clarke-Pearson (1988, doi:10.2307/2531595); the scale as in
    Pepe 2003, The Statistical Evaluation of Medical Tests, section 5.2.

    Args:
        score: (n,).
        positive: (n,) bool.

    Returns:
        None with fewer than two rows of a class, or of an area of 0 or 1, whose variance is unknown.
    """
    inside, outside = np.sort(score[positive]), np.sort(score[~positive])
    if min(len(inside), len(outside)) < 2:
        return None
    of_positive = _won(inside, outside)
    of_negative = 1 - _won(outside, inside)
    area = float(of_positive.mean())
    if not 0 < area < 1:
        return None
    variance = of_positive.var(ddof=1) / len(inside) + of_negative.var(ddof=1) / len(outside)
    step = _NORMAL * math.sqrt(variance) / (area * (1 - area))
    middle = math.log(area / (1 - area))
    low, high = (1 / (1 + math.exp(min(-end, 700.0))) for end in (middle - step, middle + step))
    return low, high


def _won(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n,): the share of `others`, sorted, below each score; equal ones count as half."""
    below, not_above = (np.searchsorted(others, scores, side=side) for side in ("left", "right"))
    return np.asarray((below + not_above) / (2 * len(others)))


@dataclass(frozen=True)
class Bins:
    """Predictions grouped by confidence; bins without any are left out.

    confidence  (b,) mean confidence
    accuracy    (b,) share that is right
    counts      (b,) int64 predictions
    edges       (b, 2) of the bin
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    counts: np.ndarray
    edges: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error (Guo et al. 2017, arXiv:1706.04599, equation 3)."""
        return float(np.sum(self.counts * np.abs(self.accuracy - self.confidence)) / self.counts.sum())


def calibration(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> Bins:
    """Bins of equal width, each closed above; `confidence` (n,) in 0 … 1, `right` (n,) bool."""
    edges = np.arange(bins + 1) / bins
    place = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    filled = counts > 0
    sums = (np.bincount(place, weights=values, minlength=bins)[filled] for values in (confidence, right))
    mean, share = (total / counts[filled] for total in sums)
    return Bins(mean, share, counts[filled], np.stack([edges[:-1], edges[1:]], axis=1)[filled])


@dataclass(frozen=True)
class Ranking:
    """Two classes at every threshold: a row is called positive if its score reaches the threshold.

    thresholds  (k,) falling
    hits        (k,) positive rows that are called positive
    alarms      (k,) negative rows that are called positive
    """

    thresholds: np.ndarray
    hits: np.ndarray
    alarms: np.ndarray

    @property
    def auroc(self) -> float:
        """The area under the ROC curve by the trapezoidal rule, which counts ties as half."""
        across = np.concatenate([[0], self.alarms]) / self.alarms[-1]
        up = np.concatenate([[0], self.hits]) / self.hits[-1]
        return float(np.trapezoid(up, across))

    @property
    def average_precision(self) -> float:
        """The sum of precisions weighted by the recall that each adds, without interpolation."""
        gained = np.diff(np.concatenate([[0], self.hits])) / self.hits[-1]
        return float(np.sum(gained * self.hits / (self.hits + self.alarms)))


def ranking(score: np.ndarray, positive: np.ndarray) -> Ranking | None:
    """Of (n,) scores and (n,) bool; None where one of the classes has no row."""
    if positive.all() or not positive.any():
        return None
    order = np.argsort(-score, kind="stable")
    score, positive = score[order], positive[order]
    last = np.flatnonzero(np.append(np.diff(score) != 0, True))
    hits = np.cumsum(positive)[last]
    return Ranking(score[last], hits, last + 1 - hits)
