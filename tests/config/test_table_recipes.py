"""conf/experiment/small_table.yaml and small_table_regression.yaml"""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("experiment", "data", "objective"),
    [
        ("small_table", "iris", "valid/log_loss"),
        ("small_table", "breast_cancer", "valid/log_loss"),
        ("small_table_regression", "diabetes", "valid/rmse"),
    ],
)
def test_a_recipe_ends_by_steps_and_chooses_the_epoch(
    experiment: str, data: str, objective: str, run_cli: Any, here
) -> None:
    words = [f"experiment={experiment}", f"data/extract={data}", "trainer.steps=5", "tracking=none"]
    answer = run_cli(*words, "report=false", f"hydra.run.dir={here / 'run'}")
    assert answer.status == 0, answer.err
    result = json.loads((here / "run" / "result.json").read_text())
    assert result["objective"]["name"] == objective
    assert result["scores"]["test/" + objective.partition("/")[2]]["mean"] > 0
