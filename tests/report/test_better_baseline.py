"""harness/report/better_baseline.py"""

from __future__ import annotations

from typing import Any

import pytest

from harness.report.better_baseline import not_better


def score(mean: float, gap: float | None = None, ends: list[float] | None = None) -> dict[str, Any]:
    difference = {} if gap is None else {"difference": {"mean": gap, "ci95": ends}}
    return {"mean": mean, "std": None, "ci95": None, "folds": [mean], **difference}


def scores(name: str, own: float, linear: Any, boosting: Any) -> dict[str, Any]:
    return {name: score(own), f"{name}_baseline_linear": linear, f"{name}_baseline_boosting": boosting}


ACCURACY = "test/accuracy"


@pytest.mark.parametrize(
    ("found", "monitor", "folds", "expected"),
    [
        (
            scores(ACCURACY, 0.925, score(0.9, -0.025, [-0.1, 0.1]), score(0.959, 0.034, [0.02, 0.05])),
            "valid/accuracy",
            5,
            "gradient boosting reaches test/accuracy 0.9590 on these folds, 0.0340 more than the network "
            "(95 % interval 0.0200 to 0.0500)",
        ),
        (
            scores("test/rmse", 5.0, score(4.0, -1.0, [-1.5, -0.5]), score(4.5, -0.5, [-2.0, 1.0])),
            "valid/loss",
            1,
            "a linear model reaches test/rmse 4.0000 on the same test rows, 1.0000 less than the network "
            "(95 % interval 0.5000 to 1.5000)",
        ),
        (
            scores(ACCURACY, 0.9, score(0.8, -0.1, None), score(0.9, 0.0, [-0.1, 0.1])),
            "valid/accuracy",
            1,
            "gradient boosting reaches test/accuracy 0.9000 on the same test rows, as the network",
        ),
        (scores(ACCURACY, 0.95, score(0.9, -0.05), score(0.8, -0.15)), "valid/accuracy", 5, ""),
        ({ACCURACY: score(0.9)}, "valid/accuracy", 5, ""),
        (
            {
                **scores(ACCURACY, 0.94, score(0.93, -0.01), score(0.939, -0.001)),
                **scores("test/auroc", 0.724, score(0.728, 0.004), score(0.739, 0.015, [-0.01, 0.04])),
            },
            "valid/accuracy",
            5,
            "gradient boosting reaches test/auroc 0.7390 on these folds, 0.0150 more than the network "
            "(95 % interval -0.0100 to 0.0400)",
        ),
        (
            {
                **scores(ACCURACY, 0.94, score(0.93, -0.01), score(0.939, -0.001)),
                **scores("test/auroc", 0.73, score(0.728, -0.002), score(0.739, 0.009)),
            },
            "valid/accuracy",
            5,
            "",
        ),
        ({}, "valid/accuracy", 5, ""),
    ],
)
def test_the_sentence(found: dict[str, Any], monitor: str, folds: int, expected: str) -> None:
    assert not_better(found, monitor, folds) == expected
