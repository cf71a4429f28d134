"""95 % intervals of the scores of one test part, over its rows, and whether it has too few rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from harness.core.baseline_names import baselines
from harness.evaluate.prediction_statistics import (
    bootstrap_counts,
    bootstrap_interval,
    rank_interval,
    wilson,
)
from harness.report.predicted_rows import PredictedRows
from harness.runs.run_result import Summary

_MOST_RESAMPLED = 5000
_MOST_CLASSES = 100
_FEWEST_ROWS, _FEW_ROWS = 10, 100


class RowInterval(NamedTuple):
    """The ends of an interval, and the method by which it was computed."""

    low: float
    high: float
    method: str


def row_intervals(rows: PredictedRows) -> dict[str, RowInterval]:
    """The interval of each test score that has one, by plain name; the rows count as independent.

    Accuracy by Wilson, the AUROC of two classes by DeLong, macro F1, log-loss and the errors of numbers by
    bootstrap. All of them stay within what the score can be.
    """
    if rows.kind == "classes" and len(rows.labelled):
        intervals = _of_classes(rows)
    elif rows.kind == "number":
        intervals = _of_numbers(rows)
    else:
        intervals = {}
    return {name: interval for name, interval in intervals.items() if np.isfinite(interval[:2]).all()}


def _of_classes(rows: PredictedRows) -> dict[str, RowInterval]:
    counts, (target, _) = rows.counts, rows.codes
    intervals = {"accuracy": RowInterval(*wilson(int(np.trace(counts)), int(counts.sum())), "Wilson")}
    if len(target) < 2:
        return intervals
    if len(counts) <= _MOST_CLASSES:
        intervals["f1"] = RowInterval(*bootstrap_counts(counts, _macro_f1), "bootstrap")
    if len(target) <= _MOST_RESAMPLED:
        with np.errstate(divide="ignore"):
            losses = -np.log(rows.probabilities[np.arange(len(target)), target])
        intervals["log_loss"] = RowInterval(*bootstrap_interval(losses, _mean), "bootstrap")
    if len(rows.classes) == 2:
        ends = rank_interval(rows.probabilities[:, 1], target == 1)
        if ends is not None:
            intervals["auroc"] = RowInterval(*ends, "DeLong")
    return intervals


def _of_numbers(rows: PredictedRows) -> dict[str, RowInterval]:
    target, predicted = rows.pair("")
    if not 1 < len(target) <= _MOST_RESAMPLED:
        return {}
    errors = predicted - target

    def r2(drawn: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(1 - np.mean(errors[drawn] ** 2, axis=-1) / np.var(target[drawn], axis=-1))

    intervals = {name: bootstrap_interval(errors, score) for name, score in _OF_ERRORS.items()}
    intervals["r2"] = bootstrap_interval(np.arange(len(target)), r2)
    return {name: RowInterval(*ends, "bootstrap") for name, ends in intervals.items()}


def _macro_f1(counts: np.ndarray) -> np.ndarray:
    """(B, C, C) -> (B,): the mean over the classes that have a row."""
    support, right = counts.sum(axis=2), np.diagonal(counts, axis1=1, axis2=2)
    f1 = 2 * right / np.maximum(support + counts.sum(axis=1), 1)
    return np.asarray(f1.sum(axis=1) / (support > 0).sum(axis=1))


def _mean(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.mean(values, axis=-1))


def _root_mean_square(errors: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(_mean(np.square(errors))))


def _mean_size(errors: np.ndarray) -> np.ndarray:
    return _mean(np.abs(errors))


_OF_ERRORS = {"rmse": _root_mean_square, "mae": _mean_size}


def add_row_intervals(
    scores: Mapping[str, Summary], rows: PredictedRows, monitored: str, split: Mapping[str, Any]
) -> Iterator[str]:
    """Adds their intervals to the test scores of a single fold; yields a sentence if it has too few rows.

    Args:
        monitored: the plain name of the score that the sentence is about.
        split: as in `too_few_rows`.
    """
    for name, interval in row_intervals(rows).items():
        if f"test/{name}" in scores:
            scores[f"test/{name}"]["ci95_rows"] = [interval.low, interval.high]
    sentence = too_few_rows(scores, f"test/{monitored}", rows.known, split)
    if sentence:
        yield sentence


def too_few_rows(scores: Mapping[str, Summary], name: str, rows: int, split: Mapping[str, Any]) -> str:
    """A sentence if the test part is too small for its score to say anything; else "".

    It is with fewer than 10 rows, or with up to 100 where the interval contains the score's baseline.

    Args:
        name: the full name of the score.
        split: its configuration, for the remedy.
    """
    if name not in scores:
        return ""
    ends = scores[name].get("ci95_rows")
    known = next((scores[full]["mean"] for full in baselines(name, scores).values()), None)
    within = ends is not None and known is not None and ends[0] <= known <= ends[1]
    if rows >= _FEWEST_ROWS and not (within and rows <= _FEW_ROWS):
        return ""
    sentence = f"the test part has {rows} row{'' if rows == 1 else 's'}, too few to say how good the model is"
    if ends is not None:
        sentence += f": the 95 % interval of {name} is {ends[0]:.4g} to {ends[1]:.4g}"
    if within:
        sentence += f", and contains the baseline {known:.4g}"
    return f"{sentence}; {_remedy(split)}"


def _remedy(split: Mapping[str, Any]) -> str:
    """How to test more rows than this split does."""
    if split.get("fold") is not None:
        return "train all folds with split.fold=null"
    if "test" in split:
        return "test more rows with split.test, or every row once with split=kfold"
    return "test every row once with split=kfold"
