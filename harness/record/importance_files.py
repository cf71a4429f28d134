"""The importance of the columns over all folds: both files of it, and the first ten columns."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from harness.evaluate.permutation_importance import Curve, Importance
from harness.prepare.evaluation import build_importance
from harness.record.fold_record import FoldRecord
from harness.runs.journal import Journal
from harness.runs.stored_importance import CURVES, IMPORTANCE

MOST_LISTED = 10
"""Columns that `result.json` and the report name."""


def write_importance(
    folder: Path, journal: Journal, fold_records: Sequence[FoldRecord], cfg: DictConfig
) -> dict[str, Any] | None:
    """Writes both files, and returns what `result.json` holds; None where nothing was computed.

    Args:
        folder: of the run.
        cfg: the run's configuration.
    """
    made = build_importance(cfg)
    found = [record.importance for record in fold_records if record.importance is not None]
    if made is None or not found:
        return None
    ranked = rank(found)
    ranked.to_csv(folder / IMPORTANCE, index=False)
    journal.artifact("", IMPORTANCE)
    first = [name for name in ranked["column"] if any(name in fold.curves for fold in found)][: made.curves]
    dependence = pd.concat([pd.DataFrame(), *(mean_curve(name, found) for name in first)])
    if not dependence.empty:  # folds may have no value in common
        dependence.to_csv(folder / CURVES, index=False)
        journal.artifact("", CURVES)
    listed = ranked.head(MOST_LISTED)[["column", "mean", "std"]].to_dict("records")
    return {"score": found[0].score, "columns": listed}


def rank(found: Sequence[Importance]) -> pd.DataFrame:
    """A line for each column, the most important first.

    `mean` and `std` are of how much worse the score became, over the permutations of all folds; `lowest` and
    `highest` are the extremes.
    """
    lines = []
    for name in found[0].worse:
        values = [value for fold in found for value in fold.worse.get(name, ())]
        lines.append(
            {
                "column": name,
                "score": found[0].score,
                "mean": statistics.fmean(values),
                "std": statistics.stdev(values) if len(values) > 1 else math.nan,
                "lowest": min(values),
                "highest": max(values),
                "permutations": len(values),
            }
        )
    return pd.DataFrame(lines).sort_values("mean", ascending=False, kind="stable", ignore_index=True)


def mean_curve(name: str, found: Sequence[Importance]) -> pd.DataFrame:
    """The partial dependence on a column over the folds that have it: a line for each value and output.

    A curve of numbers is read at the values of the first fold that lie within those of all folds, by straight
    lines between its own: a mean over other folds from one value to the next would have steps.
    """
    curves = [fold.curves[name] for fold in found if name in fold.curves]
    first = curves[0]
    lines = []
    for place, value in enumerate(first.values):
        for output, title in enumerate(first.outputs):
            read = [_at(curve, value, output) for curve in curves]
            known = [number for number in read if number is not None]
            if first.numeric and len(known) < len(curves):
                continue
            lines.append(
                {
                    "column": name,
                    "value": value,
                    "numeric": first.numeric,
                    "place": place,
                    "output": title,
                    "prediction": statistics.fmean(known),
                }
            )
    return pd.DataFrame(lines)


def _at(curve: Curve, value: str, output: int) -> float | None:
    """The mean prediction of a curve at a value; None where it has none."""
    means = [line[output] for line in curve.means]
    if not curve.numeric:
        return means[curve.values.index(value)] if value in curve.values else None
    return _between([float(text) for text in curve.values], means, float(value))


def _between(places: list[float], means: list[float], value: float) -> float | None:
    if not places[0] <= value <= places[-1]:
        return None
    after = next(place for place, there in enumerate(places) if there >= value)
    if places[after] == value:
        return means[after]
    share = (value - places[after - 1]) / (places[after] - places[after - 1])
    return means[after - 1] + share * (means[after] - means[after - 1])
