"""Statistical tests of two runs on the same rows, as pure functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PairedTest:
    """The result of a paired test.

    test    its name
    p       two-sided p-value; NaN where it is undefined
    effect  the effect size, positive where the other run is higher than the best; NaN where it is undefined
    size    the name of that effect size
    pairs   number of paired folds or rows
    """

    test: str
    p: float
    effect: float
    size: str
    pairs: int


CORRECTED = "corrected t"
MCNEMAR = "McNemar"
WILCOXON = "Wilcoxon"


def corrected_t(differences: Sequence[float], ratio: float) -> PairedTest:
    """The corrected resampled t-test of Nadeau and Bengio (2003, Machine Learning 52:239-281).

    The variance of the mean difference over k folds is taken as (1/k + ratio) s^2 instead of s^2/k, because
    folds share training rows; Student's t with k - 1 degrees of freedom. Effect: Cohen's d_z, the mean
    difference over the standard deviation of the differences.

    Args:
        differences: one per fold, at least two.
        ratio: test rows / training rows of a fold.
    """
    from scipy import stats

    values = np.asarray(differences, dtype=np.float64)
    k = len(values)
    mean, deviation = float(values.mean()), float(values.std(ddof=1))
    # Equal differences have a deviation of rounding errors only.
    if deviation <= 1e-12 * max(1.0, float(np.abs(values).max())):
        p = 1.0 if mean == 0 else math.nan
        return PairedTest(CORRECTED, p, 0.0 if mean == 0 else math.nan, "d_z", k)
    t = mean / (deviation * math.sqrt(1 / k + ratio))
    p = float(2 * stats.t.sf(abs(t), k - 1))
    return PairedTest(CORRECTED, p, mean / deviation, "d_z", k)


def mcnemar(best: Sequence[bool] | np.ndarray, other: Sequence[bool] | np.ndarray) -> PairedTest:
    """McNemar's exact test of which rows two classifiers get right: (n,) each, in the same order.

    Only rows on which one alone is right count; under the null hypothesis each has half of them (McNemar
    1947, Psychometrika 12:153). Effect: (c - b) / (b + c), where `other` alone is right on c rows and `best`
    on b.
    """
    from scipy import stats

    first, second = np.asarray(best, dtype=bool), np.asarray(other, dtype=bool)
    b, c = int((first & ~second).sum()), int((second & ~first).sum())
    if b + c == 0:
        return PairedTest(MCNEMAR, 1.0, 0.0, "(c-b)/(b+c)", len(first))
    p = float(stats.binomtest(min(b, c), b + c, 0.5).pvalue)
    return PairedTest(MCNEMAR, p, (c - b) / (b + c), "(c-b)/(b+c)", len(first))


def wilcoxon(best: Sequence[float] | np.ndarray, other: Sequence[float] | np.ndarray) -> PairedTest:
    """Wilcoxon's signed-rank test of two runs' absolute errors: (n,) each, in the same order.

    Effect: the matched-pairs rank-biserial correlation (Kerby 2014, Comprehensive Psychology 3:1), positive
    where `other` has the larger errors. Rows with equal errors are left out.
    """
    from scipy import stats

    gaps = np.asarray(other, dtype=np.float64) - np.asarray(best, dtype=np.float64)
    unequal = gaps[gaps != 0]
    if not len(unequal):
        return PairedTest(WILCOXON, 1.0, 0.0, "rank-biserial r", len(gaps))
    ranks = stats.rankdata(np.abs(unequal))
    effect = float((np.sign(unequal) * ranks).sum() / ranks.sum())
    return PairedTest(WILCOXON, float(stats.wilcoxon(unequal).pvalue), effect, "rank-biserial r", len(gaps))


def holm(values: Sequence[float]) -> list[float]:
    """P-values corrected for their number (Holm 1979, Scandinavian Journal of Statistics 6:65); NaN stays."""
    order = sorted((p, place) for place, p in enumerate(values) if not math.isnan(p))
    corrected = [math.nan] * len(values)
    highest = 0.0
    for rank, (p, place) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p))
        corrected[place] = highest
    return corrected
