"""The rows that two lines were both scored on, and the paired test of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harness.compare.paired_tests import PairedTest, corrected_t, mcnemar, wilcoxon
from harness.compare.ranking_score import value
from harness.core.fold import PART_CODES
from harness.runs.fold_rows import read_rows
from harness.runs.stored_run import StoredRun
from harness.runs.stored_tables import read_predictions

_CODES = {part: PART_CODES[part] for part in ("valid", "test")}


@dataclass(frozen=True)
class Fold:
    """One fold that was scored.

    rows     a bit per row of the table: whether it was scored
    scored   number of scored rows
    trained  number of training rows
    """

    number: int
    value: float
    rows: bytes
    scored: int
    trained: int


class TestsAgainstBest:
    """Paired tests of other lines against the best one."""

    def __init__(self, best: tuple[StoredRun, ...], score: str) -> None:
        self._best, self._score = best, score
        self._part = score.partition("/")[0]
        self._folds = folds(best, score) if self._part in _CODES else None

    def __call__(self, other: tuple[StoredRun, ...]) -> PairedTest | str:
        """The test, or why there is none.

        Two folds or more with the same scored rows: the corrected t-test of their values, each the mean over
        the seeds. A single fold: a test of the predictions of its test rows; of several seeds, those of the
        lowest seed that both lines have.
        """
        if self._part not in _CODES:
            return f"{self._score} is not a score of rows"
        if self._best[0].tags.get("data.digest") != other[0].tags.get("data.digest"):
            return "different data"
        theirs = folds(other, self._score)
        if self._folds is None or theirs is None:
            return "the split is not known"
        there = {(fold.number, fold.rows): fold for fold in theirs}
        keys = [(fold.number, fold.rows) for fold in self._folds]
        shared = [(own, there[key]) for own, key in zip(self._folds, keys, strict=True) if key in there]
        if not shared:
            return f"no common {self._part} rows"
        defined = [(a, b) for a, b in shared if not math.isnan(a.value) and not math.isnan(b.value)]
        if len(defined) > 1:
            ratios = [a.scored / max(min(a.trained, b.trained), 1) for a, b in defined]
            return corrected_t([b.value - a.value for a, b in defined], float(np.mean(ratios)))
        if self._part != "test":
            return "a single common fold, and predictions are kept for test rows only"
        return _rows(*_same_seed(self._best, other), shared[0][0].number)


def _same_seed(best: tuple[StoredRun, ...], other: tuple[StoredRun, ...]) -> tuple[StoredRun, StoredRun]:
    first, second = ({run.start["params"].get("seed"): run for run in line} for line in (best, other))
    shared = [seed for seed in first if seed in second]
    return (first[shared[0]], second[shared[0]]) if shared else (best[0], other[0])


def folds(line: tuple[StoredRun, ...], score: str) -> tuple[Fold, ...] | None:
    """The folds of a line in order; None where its runs have different splits, or their file is missing.

    Folds of a nested split that share their scored rows count as one, as they do in `result.json`.
    """
    divisions = [_division(run.folder, score.partition("/")[0]) for run in line]
    values = value(line, score).folds
    places = divisions[0]
    if places is None or any(division != places for division in divisions):
        return None
    if len(values) != len(places):
        own: dict[bytes, ScoredPart] = {}
        for place in places:
            own.setdefault(place[1], place)
        places = tuple(own.values())
    if len(values) != len(places):
        return None
    return tuple(
        Fold(number, own, rows, scored, trained)
        for own, (number, rows, scored, trained) in zip(values, places, strict=True)
    )


ScoredPart = tuple[int, bytes, int, int]
"""A fold's number, its scored rows as bits, their number, and the number of training rows."""


def _division(folder: Path, part: str) -> tuple[ScoredPart, ...] | None:
    stored = read_rows(folder)
    if stored is None:
        return None
    numbers, own = stored.rows_in(part)
    _, trained = stored.rows_in("train")
    return tuple(
        (int(number), np.packbits(mask).tobytes(), int(mask.sum()), int(learned.sum()))
        for number, mask, learned in zip(numbers, own, trained, strict=True)
    )


def _rows(best: StoredRun, other: StoredRun, fold: int) -> PairedTest | str:
    """McNemar's test of classes, Wilcoxon's of numbers, on the predictions of one fold's test rows."""
    first, second = _predictions(best.folder, fold), _predictions(other.folder, fold)
    if first is None or second is None:
        return "a single fold without predictions of one target"
    both = first.add_suffix("_best").join(second.add_suffix("_other"), how="inner").dropna()
    if both.empty:
        return "no common test rows with a target"
    if not all(map(pd.api.types.is_numeric_dtype, both.dtypes)):  # classes are texts
        return mcnemar(
            (both["prediction_best"] == both["target_best"]).to_numpy(),
            (both["prediction_other"] == both["target_other"]).to_numpy(),
        )
    both = both.astype("float64")
    return wilcoxon(
        (both["prediction_best"] - both["target_best"]).abs().to_numpy(),
        (both["prediction_other"] - both["target_other"]).abs().to_numpy(),
    )


def _predictions(folder: Path, fold: int) -> pd.DataFrame | None:
    """`target` and `prediction` by row; None without them."""
    frame = read_predictions(folder)
    if frame is None or "target" not in frame:
        return None
    return frame[frame["fold"] == fold].set_index("row")[["target", "prediction"]]
