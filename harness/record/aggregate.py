"""The scores of all folds together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.core.baseline_names import baseline_name, split_baseline
from harness.core.fold import Fold, networks_of
from harness.core.scores import score_range
from harness.record.baseline_differences import add_differences
from harness.record.fold_record import FoldRecord
from harness.record.mean_predictions import predictions_of_folds, whole_folds
from harness.record.predictions import FoldPredictions, Measure, pool
from harness.runs.run_result import Summary, summarise


def over_folds(fold_records: Sequence[FoldRecord], measure: Measure | None = None) -> dict[str, Summary]:
    """Each score by full name, summarised over the folds that have it.

    Fitted baselines also have their difference from the network. Folds of a nested split that share their
    test rows count as one, with the mean of their scores. So do the networks of an ensemble; the fold's test
    scores are then those of the mean prediction that `measure` computes, so not the loss of the trainer,
    and the mean of the networks' own scores stands beside them as a baseline `single_network`.
    """
    done = whole_folds(fold_records)
    names = list(dict.fromkeys(name for fold_record in done for name in fold_record.scores))
    scores = {name: summarise(_by_outer(done, name), score_range(name)) for name in names}
    of_mean = _of_mean_predictions(done, measure)
    if of_mean:
        scores = {_of_networks(name): summary for name, summary in scores.items()} | of_mean
    add_differences(scores, done)
    return scores


def _of_networks(name: str) -> str:
    """The name of a score where the fold's own is that of its ensemble."""
    own = name.startswith("test/") and split_baseline(name) is None
    return baseline_name(name, "single_network") if own else name


def _of_mean_predictions(done: Sequence[FoldRecord], measure: Measure | None) -> dict[str, Summary]:
    """The test scores of the mean prediction of each fold's networks, by full name; {} without ensembles."""
    if measure is None or networks_of([fold_record.fold for fold_record in done]) is None:
        return {}
    values: dict[str, list[float]] = {}
    for predictions in predictions_of_folds(done):
        for name, value in pool([predictions], measure).items():
            values.setdefault(f"test/{name}", []).append(value)
    return {name: summarise(found, score_range(name)) for name, found in values.items()}


def _by_outer(fold_records: Sequence[FoldRecord], name: str) -> list[float]:
    values: dict[Any, list[float]] = {}
    for fold_record in fold_records:
        if name in fold_record.scores:
            own = (
                fold_record.fold.number
                if fold_record.fold.outer is None
                else ("outer", fold_record.fold.outer)
            )
            values.setdefault(own, []).append(fold_record.scores[name])
    return [float(np.mean(scores)) for scores in values.values()]


def pooled(fold_records: Sequence[FoldRecord], measure: Measure | None) -> dict[str, float]:
    """The test scores of all out-of-fold predictions put together, by full name; {} of a single fold."""
    folds = predictions_of_folds(fold_records)
    if len(folds) < 2 or measure is None:
        return {}
    return {f"test/{name}": value for name, value in pool(folds, measure).items()}


def ensemble_scores(fold_records: Sequence[FoldRecord], measure: Measure | None) -> dict[str, Summary]:
    """The test scores of the mean prediction of all models that have not learned a row, by full name.

    These are honest scores of an ensemble of so many models. Only rows count that several folds test, as with
    a nested or a repeated split; {} without any. Outer folds of a nested split have a score each.
    """
    groups: dict[int | None, list[FoldPredictions]] = {}
    if networks_of([record.fold for record in fold_records]) is not None:
        return {}  # the scores of each fold are those of its ensemble
    for record in fold_records:
        if record.predictions is not None:
            groups.setdefault(record.fold.outer, []).append(record.predictions)
    values: dict[str, list[float]] = {}
    for predictions in groups.values():
        shared = _tested_by_several(predictions)
        for name, value in pool(shared, measure).items() if measure is not None and shared else ():
            values.setdefault(f"test/{baseline_name(name, 'ensemble')}", []).append(value)
    return {name: summarise(found, score_range(name)) for name, found in values.items()}


def _tested_by_several(folds: Sequence[FoldPredictions]) -> list[FoldPredictions]:
    """The predictions for rows that more than one of the folds tests."""
    rows = [fold.frame["row"].to_numpy() for fold in folds]
    distinct, counts = np.unique(np.concatenate(rows), return_counts=True)
    kept = [np.isin(own, distinct[counts > 1]) for own in rows]
    return [fold.only(mask) for fold, mask in zip(folds, kept, strict=True) if mask.any()]


def table_of_folds(fold_records: Sequence[FoldRecord]) -> pd.DataFrame:
    """A line per fold with its scores, of a nested split also with its outer fold: `folds.csv`.

    Of ensembles it has a line per network, with the fold as `outer`, and the number of the network.
    """
    return pd.DataFrame(
        [
            {**_numbers(fold_record.fold), **fold_record.scores}
            for fold_record in fold_records
            if fold_record.scores
        ]
    )


def _numbers(fold: Fold) -> dict[str, int]:
    if fold.outer is None:
        return {"fold": fold.number}
    own = {} if fold.network is None else {"network": fold.network.number}
    return {"fold": fold.number, "outer": fold.outer, **own}
