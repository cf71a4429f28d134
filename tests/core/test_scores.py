from __future__ import annotations

import numpy as np
import pytest

from harness.core.scores import Scores, direction


@pytest.mark.parametrize(
    "name",
    [
        "valid/loss",
        "valid/log_loss",
        "test/rmse",
        "test/rmse_mean",
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
        "test/linear_accuracy_random",
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
