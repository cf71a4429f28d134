"""production.calibrate=temperature: harness/stages/calibrate.py, and the model that it leaves"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.bundle.row_predictor import RowPredictor

QUICK = (
    "tracking=none",
    "trainer.epochs=30",
    "split.guard=off",
    "report=false",
    "data/extract=breast_cancer",
)
ON = "production.calibrate=temperature"

pytestmark = pytest.mark.slow


def scores(folder: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())["scores"]
    return content


def test_a_run_and_its_model_have_the_temperature(run_cli, only_run, here) -> None:
    answer = run_cli(*QUICK, ON, "production.refit=true", "split=kfold", "split.folds=2")
    assert answer.status == 0, answer.err
    folder = only_run()
    found = scores(folder)
    temperatures = found["model/temperature"]["folds"]
    assert all(value > 1.05 for value in temperatures)  # the network was too sure
    for name in ("log_loss", "ece"):
        assert found[f"test/{name}"]["mean"] < found[f"test/{name}_baseline_uncalibrated"]["mean"]
    assert found["valid/log_loss"]["mean"] < found["valid/log_loss_baseline_uncalibrated"]["mean"]
    stored = json.loads((folder / "fold-0" / "model" / "bundle.json").read_text())["temperature"]
    assert stored == temperatures[0]
    refit = json.loads((folder / "refit" / "bundle.json").read_text())["temperature"]
    assert refit == pytest.approx(np.sqrt(np.prod(temperatures)))
    # The stored model predicts what the run has scored.
    from sklearn.datasets import load_breast_cancer

    rows = load_breast_cancer(as_frame=True).data
    own = pd.read_csv(folder / "predictions.csv")
    own = own[own["fold"] == 0]
    predicted = RowPredictor(folder / "fold-0" / "model")(rows.iloc[own["row"]])
    column = next(name for name in own if name.startswith("probability_"))
    assert np.allclose(predicted[column], own[column], atol=1e-6)
    assert "uncalibrated" in answer.out


def test_without_it_no_score_and_no_file_names_it(run_cli, only_run) -> None:
    assert run_cli(*QUICK[:-1], "data/extract=iris", "trainer.epochs=1").status == 0
    assert not [name for name in scores(only_run()) if "uncalibrated" in name or "temperature" in name]
    assert "temperature" not in json.loads((only_run() / "model" / "bundle.json").read_text())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("data/extract=diabetes",), "predicts numbers"),
        (("data/extract=iris", "split.valid=0"), "labelled validation rows"),
        (("data/extract=iris", "trainer=contrastive"), "learns a representation"),
        (("data/extract=iris", "production.calibrate=platt"), "temperature"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(refusal, words, expected) -> None:
    assert expected in refusal(ON, *words, "tracking=none")
