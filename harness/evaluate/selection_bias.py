"""What the best score of a search is worth: the selection is repeated within bootstrap samples.

The best of many validation scores is too good, because the choice also picks the luck of its rows. BBC-CV
(Tsamardinos, Greasidou and Borboudakis 2018, Machine Learning 107:1895-1922, algorithm 5) chooses the best
model by the rows of a bootstrap sample and scores it on the rows that the sample left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.core.scores import UNLIMITED, Direction
from harness.core.student_t import student_t
from harness.evaluate.prediction_statistics import wilson
from harness.evaluate.resampled_scores import ResampledScores

RESAMPLES = 1000
_FEWEST_RESAMPLES = 100
_CALLS = 10_000
"""How many scores may be computed one by one."""

_ROWS_OF_CALLS = 20_000_000
_CELLS_AT_ONCE = 4_000_000
_LEVEL = 0.95
_FROM_ZERO = (0.0, math.inf)
_MOST_UNITS = 1000
"""Of more units, no few of them make up a score."""


@dataclass(frozen=True)
class SelectionBias:
    """The result of the bootstrap.

    expected    the score that the chosen model is expected to have on new rows
    low, high   its 95 % interval
    equivalent  the models that contain the truly best one with 95 % confidence, best first
    resamples   in which choice and score were defined
    """

    expected: float
    low: float
    high: float
    equivalent: tuple[int, ...]
    resamples: int


def selection_bias(
    scores: ResampledScores,
    group: np.ndarray,
    better: Direction,
    limits: tuple[float, float] = UNLIMITED,
    seed: int = 0,
) -> SelectionBias | None:
    """Prices the choice of the best model.

    Args:
        scores: of all models.
        group: (n,) codes; the rows of a group are drawn together.
        better: which scores are better.
        limits: the least and the greatest value of the score.
        seed: of the resamples.

    Returns:
        None where fewer than half of the resamples have a score, such as with very few rows.
    """
    sign = 1.0 if better == "maximize" else -1.0
    names, member = np.unique(group, return_inverse=True)
    if len(names) < 2:
        return None
    count = RESAMPLES
    if not scores.quick:
        calls = min(_CALLS, _ROWS_OF_CALLS // scores.rows)
        count = min(RESAMPLES, max(_FEWEST_RESAMPLES, calls // len(scores)))
    drawn = _draw(len(names), count, seed)
    inside = np.empty((count, len(scores)))
    outside = np.full(count, math.nan)
    places = np.zeros(count, dtype=np.int64)  # of the chosen models
    step = max(1, _CELLS_AT_ONCE // scores.rows)
    for first in range(0, count, step):
        chunk = slice(first, first + step)
        counts = drawn[chunk][:, member].astype(np.float64)
        inside[chunk] = sign * np.stack([scores(model, counts) for model in range(len(scores))], axis=1)
        chosen = np.where(np.isfinite(inside[chunk]), inside[chunk], -np.inf).argmax(axis=1)
        for model in np.unique(chosen):
            own = first + np.flatnonzero(chosen == model)
            places[own] = model
            outside[own] = scores(int(model), (drawn[own] == 0)[:, member].astype(np.float64))
    defined = np.isfinite(outside) & np.isfinite(inside).all(axis=1)
    if defined.sum() < count / 2:
        return None
    share = float((drawn == 0).mean())
    reached = outside[defined]
    if limits == _FROM_ZERO and (reached > 0).all():
        low, high = _log_interval(reached, share, _effective_units(scores, places[defined], member))
    else:
        low, high = _interval(reached, share, len(names), limits)
    equal = equivalent(inside[defined], sign * scores.full)
    return SelectionBias(float(reached.mean()), low, high, equal, int(defined.sum()))


def score_spread(scores: ResampledScores, group: np.ndarray, seed: int = 0) -> float | None:
    """The standard error of the first model's score: its deviation over resamples of the rows.

    Args:
        scores: of the model.
        group: (n,) codes; the rows of a group are drawn together.
        seed: of the resamples.

    Returns:
        None where fewer than half of the resamples have a score.
    """
    names, member = np.unique(group, return_inverse=True)
    if len(names) < 2:
        return None
    drawn = _draw(len(names), _FEWEST_RESAMPLES, seed)
    reached = np.concatenate([scores(0, counts[None, member].astype(np.float64)) for counts in drawn])
    defined = reached[np.isfinite(reached)]
    return float(defined.std(ddof=1)) if len(defined) > len(reached) / 2 else None


def difference_interval(
    scores: ResampledScores, group: np.ndarray, pair: tuple[int, int], seed: int = 0
) -> tuple[float, float] | None:
    """The 95 % interval of the second model's score minus the first one's, on resamples that both share.

    Args:
        scores: of all models.
        group: (n,) codes; the rows of a group are drawn together.
        pair: the places of the two models.
        seed: of the resamples.

    Returns:
        None where fewer than half of the resamples have both scores.
    """
    names, member = np.unique(group, return_inverse=True)
    if len(names) < 2:
        return None
    counts = _draw(len(names), RESAMPLES if scores.quick else _FEWEST_RESAMPLES, seed)
    step = max(1, _CELLS_AT_ONCE // scores.rows)
    parts = []
    for first in range(0, len(counts), step):
        chunk = counts[first : first + step][:, member].astype(np.float64)
        parts.append(scores(pair[1], chunk) - scores(pair[0], chunk))
    differences = np.concatenate(parts)
    defined = differences[np.isfinite(differences)]
    if len(defined) < len(counts) / 2:
        return None
    low, high = np.quantile(defined, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)


def _draw(units: int, count: int, seed: int) -> np.ndarray:
    """(B, units) int32, how often each unit is drawn."""
    random = np.random.default_rng(seed)
    return np.stack(
        [np.bincount(random.integers(units, size=units), minlength=units) for _ in range(count)]
    ).astype(np.int32)


def _interval(
    outside: np.ndarray, share: float, units: int, limits: tuple[float, float]
) -> tuple[float, float]:
    """The 95 % interval of a score of all rows, from the scores of left-out rows.

    The left-out rows are a share of all rows, drawn without replacement, so their scores spread by the factor
    sqrt((1 - share) / share) more than a score of all rows does; this factor is taken out. Near its limit a
    share, such as the accuracy, has no symmetric interval: it gets Wilson's, of as many rows as have this
    spread.
    """
    expected = float(outside.mean())
    factor = math.sqrt(share / (1 - share))
    if limits == (0.0, 1.0):
        variance = (factor * float(outside.std())) ** 2
        rows = expected * (1 - expected) / variance if variance > 0 else units
        return wilson(expected * rows, rows)
    low, high = np.quantile(outside, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return expected + factor * (float(low) - expected), expected + factor * (float(high) - expected)


def _log_interval(outside: np.ndarray, share: float, units: float) -> tuple[float, float]:
    """As `_interval`, of a score that is positive and has no upper limit, such as a log-loss.

    Such a score is skewed, and its interval is symmetric in its logarithm. A few wrong rows can make up most
    of it, so that their number, not that of all rows, says how well its spread is known: Student's t has one
    degree of freedom less.
    """
    logs = np.log(outside)
    half = student_t(max(2, round(units) - 1), _LEVEL) * math.sqrt(share / (1 - share)) * float(logs.std())
    middle = float(logs.mean())
    return math.exp(middle - half), math.exp(middle + half)


def _effective_units(scores: ResampledScores, places: np.ndarray, member: np.ndarray) -> float:
    """How many equal units would make up a score as evenly: (sum c)^2 / sum c^2 of their parts c (Kish 1965).

    Args:
        places: the model of each resample, over which it is averaged.
        member: (n,) the unit of each row.
    """
    units = int(member.max()) + 1
    if not scores.quick or units > _MOST_UNITS:
        return float(units)
    alone = (np.arange(units)[:, None] == member).astype(np.float64)
    models, often = np.unique(places, return_counts=True)
    effective = []
    for model in models:
        parts = np.abs(np.nan_to_num(scores(int(model), alone))) * alone.sum(axis=1)
        effective.append(parts.sum() ** 2 / (parts**2).sum() if parts.any() else units)
    return float(np.average(effective, weights=often))


def equivalent(resampled: np.ndarray, full: np.ndarray) -> tuple[int, ...]:
    """The models that no other one beats beyond chance; the truly best is among them with 95 % confidence.

    Multiple comparisons with the best (Hsu 1981, Annals of Statistics 9:1026-1034) with bootstrapped,
    studentised differences.

    Args:
        resampled: (B, models) scores of the resamples, larger is better.
        full: (models,) scores of all rows.

    Returns:
        Their places, best first.
    """
    kept = []
    for model in range(len(full)):
        gaps = full - full[model]
        moved = resampled - resampled[:, model : model + 1]
        spread = moved.std(axis=0)
        varies = spread > 1e-12 * max(1.0, float(np.abs(full).max()))
        worst = np.max((moved - gaps)[:, varies] / spread[varies], axis=1, initial=0.0)
        limit = np.quantile(worst, _LEVEL)
        if np.all(gaps <= np.where(varies, limit * spread, 1e-12)):
            kept.append(model)
    return tuple(sorted(kept, key=lambda model: -full[model]))
