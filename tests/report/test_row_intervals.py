"""The intervals over the test rows contain the score and stay within its range; small parts are reported."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from harness.evaluate.prediction_statistics import wilson
from harness.report.predicted_rows import PredictedRows
from harness.report.row_intervals import row_intervals, too_few_rows
from harness.runs.run_result import summarise


def classes(names: list[str], rows: int) -> tuple[PredictedRows, dict[str, float]]:
    """Predictions that are better than chance, and their scores."""
    random = np.random.default_rng(0)
    codes = random.integers(0, len(names), rows)
    shares = random.dirichlet(np.ones(len(names)), rows) + np.eye(len(names))[codes] * 0.4
    shares /= shares.sum(axis=1, keepdims=True)
    frame = pd.DataFrame(shares, columns=[f"probability_{name}" for name in names])
    found = np.array(names)[shares.argmax(axis=1)]
    frame.insert(0, "target", np.array(names)[codes])
    frame.insert(1, "prediction", found)
    scores = {
        "accuracy": float((found == frame["target"]).mean()),
        "f1": metrics.f1_score(frame["target"], found, average="macro"),
        "log_loss": metrics.log_loss(codes, shares),
    }
    if len(names) == 2:
        scores["auroc"] = metrics.roc_auc_score(codes, shares[:, 1])
    return PredictedRows(frame), scores


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "c"]])
def test_the_scores_of_classes_lie_in_their_intervals(names: list[str]) -> None:
    rows, scores = classes(names, 80)
    found = row_intervals(rows)
    assert found.keys() == scores.keys()
    assert found["accuracy"][:2] == wilson(round(scores["accuracy"] * 80), 80)
    for name, score in scores.items():
        low, high, _ = found[name]
        assert 0 <= low < score < high, name
        assert high - low < 0.5
        assert name == "log_loss" or high <= 1


def test_the_scores_of_numbers_lie_in_their_intervals() -> None:
    random = np.random.default_rng(1)
    target = random.normal(size=200)
    predicted = target + random.normal(size=200) * 0.3
    found = row_intervals(PredictedRows(pd.DataFrame({"target": target, "prediction": predicted})))
    scores = {
        "rmse": metrics.root_mean_squared_error(target, predicted),
        "mae": metrics.mean_absolute_error(target, predicted),
        "r2": metrics.r2_score(target, predicted),
    }
    assert found.keys() == scores.keys()
    for name, score in scores.items():
        assert found[name].low < score < found[name].high, name
    half = scores["rmse"] * 1.96 / np.sqrt(2 * 200)  # of normal errors
    assert found["rmse"][:2] == pytest.approx((scores["rmse"] - half, scores["rmse"] + half), abs=0.005)
    assert found["r2"].high < 1


@pytest.mark.parametrize(
    ("rows", "ends", "baseline", "words"),
    [
        (6, [0.3, 0.9], None, "the test part has 6 rows, too few .* is 0.3 to 0.9; test more rows"),
        (1, None, None, "the test part has 1 row, too few to say how good the model is; test more"),
        (60, [0.4, 0.6], 0.5, "60 rows, .* is 0.4 to 0.6, and contains the baseline 0.5; test more rows"),
        (60, [0.6, 0.8], 0.5, ""),
        (500, [0.49, 0.53], 0.5, ""),  # enough rows to say that the model is as good as the baseline
        (60, [0.4, 0.6], None, ""),
    ],
)
def test_a_test_part_that_is_too_small_is_reported(
    rows: int, ends: list[float] | None, baseline: float | None, words: str
) -> None:
    scores = {"test/accuracy": summarise([0.5])}
    if ends is not None:
        scores["test/accuracy"]["ci95_rows"] = ends
    if baseline is not None:
        scores["test/accuracy_baseline_majority"] = summarise([baseline])
    found = too_few_rows(scores, "test/accuracy", rows, {"test": 0.2})
    assert re.search(words, found) if words else found == ""


@pytest.mark.parametrize(
    ("split", "remedy"),
    [
        ({"test": 0.2}, "; test more rows with split.test, or every row once with split=kfold"),
        ({"folds": 5, "fold": 2}, "; train all folds with split.fold=null"),
        ({"fold": None, "column": "part"}, "; test every row once with split=kfold"),
    ],
)
def test_the_remedy_is_one_that_the_split_has_and_does_not_use(split: dict[str, Any], remedy: str) -> None:
    assert too_few_rows({"test/accuracy": summarise([0.5])}, "test/accuracy", 6, split).endswith(remedy)
