"""How far the fitted baselines are from the network, over the folds or over the rows of a single fold."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from harness.core.baseline_names import FITTED, split_baseline
from harness.core.fold import Fold, count_folds
from harness.core.student_t import student_t
from harness.record.fold_record import FoldRecord
from harness.runs.run_result import Summary


def add_differences(scores: Mapping[str, Summary], fold_records: Sequence[FoldRecord]) -> None:
    """Adds `difference`, baseline minus network, to the summary of each fitted baseline."""
    ratio = _tested_share(fold_records)
    for name, summary in scores.items():
        owner, kind = split_baseline(name) or (name, "")
        if kind not in FITTED or owner not in scores:
            continue
        own = scores[owner]["folds"]
        if len(own) != len(summary["folds"]):
            continue
        gaps = [other - mine for other, mine in zip(summary["folds"], own, strict=True)]
        summary["difference"] = {"mean": _mean(gaps), "ci95": _interval(name, gaps, fold_records, ratio)}


def _interval(
    name: str, gaps: Sequence[float], fold_records: Sequence[FoldRecord], ratio: float
) -> list[float] | None:
    """Over the folds; of a single fold over its rows, where the fold has it."""
    if count_folds([record.fold for record in fold_records]) > 1:
        return _over_folds(gaps, ratio)
    rows = next((record.intervals[name] for record in fold_records if name in record.intervals), None)
    return None if rows is None else list(rows)


def _over_folds(gaps: Sequence[float], ratio: float) -> list[float] | None:
    """The interval over the folds; None with fewer than two.

    The standard error is that of Nadeau and Bengio (2003, Machine Learning 52:239-281), because folds share
    training rows.
    """
    defined = [gap for gap in gaps if not math.isnan(gap)]
    if len(defined) < 2:
        return None
    error = statistics.stdev(defined) * math.sqrt(1 / len(defined) + ratio)
    half = student_t(len(defined) - 1) * error
    return [_mean(gaps) - half, _mean(gaps) + half]


def _mean(gaps: Sequence[float]) -> float:
    defined = [gap for gap in gaps if not math.isnan(gap)]
    return math.fsum(defined) / len(defined) if defined else math.nan


def _tested_share(fold_records: Sequence[FoldRecord]) -> float:
    """Test rows / training rows, the mean over the folds; an ensemble trains with its validation rows too."""
    shares = [len(record.fold.test) / max(_trained(record.fold), 1) for record in fold_records]
    return sum(shares) / max(len(shares), 1)


def _trained(fold: Fold) -> int:
    return len(fold.train) + (0 if fold.network is None else len(fold.valid))
