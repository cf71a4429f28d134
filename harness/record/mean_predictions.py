"""The predictions of each fold: of an ensemble the mean of its networks' (`split.ensemble`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import pandas as pd
import torch

from harness.core.fold import Fold, networks_of
from harness.record.predictions import FoldPredictions


class Predicted(Protocol):
    """What is needed of a fold's record."""

    fold: Fold
    scores: dict[str, float]
    predictions: FoldPredictions | None


R = TypeVar("R", bound=Predicted)


def whole_folds(fold_records: Sequence[R]) -> list[R]:
    """The records with scores; of an ensemble only where all of its networks have them."""
    done = [fold_record for fold_record in fold_records if fold_record.scores]
    counts: dict[int, int] = {}
    for fold_record in done:
        counts[fold_record.fold.place] = counts.get(fold_record.fold.place, 0) + 1
    return [
        one for one in done if one.fold.network is None or counts[one.fold.place] == one.fold.network.count
    ]


def predictions_of_folds(fold_records: Sequence[Predicted]) -> list[FoldPredictions]:
    """The predictions of each fold that has some, in order; of an ensemble the mean of its networks'."""
    groups: dict[tuple[bool, int], list[FoldPredictions]] = {}
    folds: dict[tuple[bool, int], Fold] = {}
    for record in fold_records:
        if record.predictions is not None:
            key = (record.fold.network is None, record.fold.place)
            groups.setdefault(key, []).append(record.predictions)
            folds[key] = record.fold
    return [
        _mean_of(folds[key], predictions)
        for key, predictions in groups.items()
        if len(predictions) == (networks_of([folds[key]]) or 1)
    ]


def _mean_of(fold: Fold, networks: list[FoldPredictions]) -> FoldPredictions:
    if fold.network is None:
        return networks[0]
    first = networks[0]
    stacked = torch.stack([network.outputs for network in networks])
    mean = stacked.mean(dim=0) if first.numbers else stacked.exp().mean(dim=0).log()
    frame = first.frame.assign(fold=fold.network.fold.number)
    return first._replace(frame=_filled(frame, networks), outputs=mean)


def _filled(frame: pd.DataFrame, networks: list[FoldPredictions]) -> pd.DataFrame:
    """The frame with the mean of the networks' numbers, and the classes or labels that follow from it."""
    shares = [name for name in frame if str(name).startswith("probability_")]
    several = [name for name in frame if str(name).startswith("prediction_")]
    averaged = shares or several or ["prediction"]
    mean = sum(network.frame[averaged].astype("float64") for network in networks) / len(networks)
    assert isinstance(mean, pd.DataFrame)
    frame = frame.assign(**{str(name): mean[name].astype(frame[name].dtype) for name in averaged})
    if not shares:
        return frame
    names = [str(name).removeprefix("probability_") for name in shares]
    if several:  # labels
        present = {f"prediction_{name}": mean[f"probability_{name}"] > 0.5 for name in names}
        return frame.assign(**{name: values.astype(frame[name].dtype) for name, values in present.items()})
    chosen = pd.Series(names, dtype=object).take(mean.to_numpy().argmax(axis=1))
    return frame.assign(prediction=chosen.to_numpy())
