from __future__ import annotations

import math

import numpy as np
import pytest

from harness.core.scores import Scores, direction, score_range


@pytest.mark.parametrize(
    "name",
    [
        "valid/loss",
        "valid/log_loss",
        "test/rmse",
        "test/rmse_baseline_mean",
        "test/loss_baseline_scratch",
        "mae",
        "mse",
        "test/ece",
        "error",
        "time/epoch_seconds",
        "model/parameters",
        "error_rate",
    ],
)
def test_losses_errors_and_costs_are_better_low(name: str) -> None:
    assert direction(name) == "minimize"


@pytest.mark.parametrize(
    "name",
    [
        "valid/accuracy",
        "f1",
        "auroc",
        "r2",
        "valid/knn_accuracy",
        "test/linear_accuracy_baseline_random",
        "rankme",
        "lossless",
        "terror",
        "loss/accuracy",
    ],
)
def test_all_else_is_better_high(name: str) -> None:
    assert direction(name) == "maximize"


def test_scores_have_neither_confusion_nor_notes_unless_given() -> None:
    assert Scores({"accuracy": 1.0}) == Scores({"accuracy": 1.0}, None, ())
    assert Scores({}, np.eye(2, dtype=np.int64), ("odd",)).notes == ("odd",)


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("test/accuracy", (0, 1)),
        ("valid/knn_accuracy", (0, 1)),
        ("test/auroc", (0, 1)),
        ("test/exact_match", (0, 1)),
        ("test/r2", (-math.inf, 1)),
        ("test/rmse", (0, math.inf)),
        ("test/log_loss", (0, math.inf)),
        ("test/loss", (-math.inf, math.inf)),  # a loss of one's own may be negative
        ("test/mine", (-math.inf, math.inf)),
    ],
)
def test_what_a_score_can_be_follows_from_its_name(name: str, limits: tuple[float, float]) -> None:
    assert score_range(name) == limits
