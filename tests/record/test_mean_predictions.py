"""The predictions of a fold whose networks are an ensemble."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch

from harness.core.fold import Fold, Network
from harness.record.aggregate import over_folds, pooled
from harness.record.mean_predictions import predictions_of_folds, whole_folds
from harness.record.predictions import FoldPredictions

NONE = np.empty(0, dtype=np.int64)


def record(number: int, predictions: FoldPredictions | None, count: int = 2, **scores: float) -> Any:
    around = Fold(number // count + 5, NONE, NONE, NONE)
    network = Network(number % count, count, around)
    fold = Fold(number, NONE, NONE, NONE, NONE, around.number, network)
    return SimpleNamespace(
        fold=fold, scores=scores or {"test/mse": 1.0}, predictions=predictions, intervals={}
    )


def numbers(*values: float) -> FoldPredictions:
    outputs = torch.tensor(values, dtype=torch.float64)
    rows = range(len(values))
    frame = pd.DataFrame({"row": rows, "fold": 0, "target": 1.0, "prediction": list(values)})
    return FoldPredictions(frame, outputs, torch.ones(len(values), dtype=torch.float64), True)


def mse(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    return {"mse": float((outputs - targets).square().mean())}


def test_numbers_are_averaged_and_the_fold_is_that_of_the_split() -> None:
    (fold,) = predictions_of_folds([record(0, numbers(1.0, 4.0)), record(1, numbers(3.0, 2.0))])
    assert fold.outputs.tolist() == fold.frame["prediction"].tolist() == [2.0, 3.0]
    assert fold.frame["fold"].tolist() == [5, 5]


def test_the_mean_probability_of_classes_decides() -> None:
    def classes(shares: list[list[float]]) -> FoldPredictions:
        chances = torch.tensor(shares, dtype=torch.float64)
        frame = pd.DataFrame({"row": [0, 1], "fold": 0, "target": ["no", "yes"]})
        frame["prediction"] = np.array(["no", "yes"])[chances.argmax(dim=1).numpy()]
        frame[["probability_no", "probability_yes"]] = chances.float().numpy()
        return FoldPredictions(frame, chances.log(), torch.tensor([0, 1]), False)

    networks = [record(0, classes([[0.6, 0.4], [0.2, 0.8]])), record(1, classes([[0.1, 0.9], [0.4, 0.6]]))]
    (fold,) = predictions_of_folds(networks)
    np.testing.assert_allclose(fold.outputs.exp(), [[0.35, 0.65], [0.3, 0.7]])
    assert fold.frame["prediction"].tolist() == ["yes", "yes"]
    np.testing.assert_allclose(fold.frame["probability_no"], [0.35, 0.3], rtol=1e-6)
    assert fold.frame["probability_no"].dtype == np.float32


def test_several_labels_and_several_numbers_are_averaged_by_column() -> None:
    def labels(share: float) -> FoldPredictions:
        frame = pd.DataFrame({"row": [0], "fold": 0, "target_a": [1], "prediction_a": [int(share > 0.5)]})
        frame = frame.astype("Int64").assign(probability_a=share)
        return FoldPredictions(frame, torch.tensor([[share]]).double().log(), torch.ones(1, 1), False)

    (fold,) = predictions_of_folds([record(0, labels(0.3)), record(1, labels(0.9))])
    assert fold.frame["prediction_a"].tolist() == [1]
    assert fold.frame["prediction_a"].dtype == "Int64"
    np.testing.assert_allclose(fold.frame["probability_a"], 0.6)

    def pair(a: float, b: float) -> FoldPredictions:
        frame = pd.DataFrame({"row": [0], "fold": 0, "prediction_a": [a], "prediction_b": [b]})
        return FoldPredictions(frame, torch.tensor([[a, b]]).double(), torch.ones(1, 2), True)

    (fold,) = predictions_of_folds([record(0, pair(1.0, 2.0)), record(1, pair(2.0, 6.0))])
    assert fold.frame[["prediction_a", "prediction_b"]].to_numpy().tolist() == [[1.5, 4.0]]


def test_an_ensemble_counts_when_all_of_its_networks_are_done() -> None:
    first = [record(0, numbers(1.0)), record(1, numbers(3.0))]
    half = record(2, numbers(9.0))
    assert whole_folds([*first, half]) == first
    assert len(predictions_of_folds([*first, half])) == 1
    assert over_folds([half], mse) == {}


def test_the_score_of_a_fold_is_that_of_the_mean_and_the_networks_stand_beside_it() -> None:
    values = {"test/mse": 4.0, "test/loss": 4.0, "valid/mse": 1.0}
    records = [
        record(0, numbers(1.0, 3.0), **values),
        record(1, numbers(3.0, 3.0), **{**values, "test/mse": 6.0, "valid/mse": 2.0}),
        record(2, numbers(1.0, 1.0), **values, **{"test/mse_baseline_linear": 0.5}),
        record(3, numbers(1.0, 3.0), **values, **{"test/mse_baseline_linear": 2.5}),
    ]
    records[0].scores["test/mse_baseline_linear"] = 3.5
    found = over_folds(records, mse)
    assert found["test/mse"]["folds"] == [2.5, 0.5]  # of the means (2, 3) and (1, 2) with targets 1
    assert found["test/mse_baseline_single_network"]["folds"] == [5.0, 4.0]
    assert found["valid/mse"]["folds"] == [1.5, 1.0]
    assert "test/loss" not in found  # of the trainer: not that of the mean prediction
    assert found["test/loss_baseline_single_network"]["mean"] == 4.0
    assert found["test/mse_baseline_linear"]["folds"] == [3.5, 1.5]
    assert found["test/mse_baseline_linear"]["difference"]["mean"] == 1.0
    together = [records[0], records[1]]
    assert pooled(together, mse) == {}  # one fold
