"""production.calibrate=temperature: harness/stages/calibrate.py, and the model that it leaves"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.bundle.row_predictor import RowPredictor

QUICK = ("tracking=none", "split.guard=off", "report=false")
ON = "production.calibrate=temperature"

pytestmark = pytest.mark.slow


def scores(folder: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())["scores"]
    return content


def noisy() -> pd.DataFrame:
    """Two classes of which a quarter of the rows have the wrong one."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(240, 6)), columns=[*"abcdef"])
    right = np.where(frame["a"] + frame["b"] > 0, "yes", "no")
    return frame.assign(y=np.where(random.random(240) < 0.25, np.where(right == "yes", "no", "yes"), right))


def test_a_run_and_its_model_have_the_temperature(run_cli, only_run, here) -> None:
    noisy().to_csv("rows.csv", index=False)
    words = (
        "data/extract=csv",
        "data.extract.path=rows.csv",
        "data.extract.target=y",
        "trainer.epochs=25",
        "trainer.optimizer.lr=0.01",
    )
    folds = ("split=kfold", "split.folds=2", "split.valid=0.4", "production.refit=true")
    answer = run_cli(*QUICK, ON, *words, *folds)
    assert answer.status == 0, answer.err
    folder = only_run()
    found = scores(folder)
    temperatures = found["model/temperature"]["folds"]
    assert 1 not in temperatures
    before, after = found["valid/log_loss_baseline_uncalibrated"]["folds"], found["valid/log_loss"]["folds"]
    assert all(b > a for b, a in zip(before, after, strict=True))  # on the rows of the fit it is the least
    assert {"test/ece_baseline_uncalibrated", "test/log_loss_baseline_uncalibrated"} <= found.keys()
    stored = json.loads((folder / "fold-0" / "model" / "bundle.json").read_text())["temperature"]
    assert stored == temperatures[0]
    refit = json.loads((folder / "refit" / "bundle.json").read_text())["temperature"]
    assert refit == pytest.approx(np.sqrt(np.prod(temperatures)))
    # The stored model predicts what the run has scored.
    own = pd.read_csv(folder / "predictions.csv")
    own = own[own["fold"] == 0]
    predicted = RowPredictor(folder / "fold-0" / "model")(noisy().iloc[own["row"]])
    assert np.allclose(predicted["probability_yes"], own["probability_yes"], atol=1e-6)
    assert "uncalibrated" in answer.out


def test_without_it_no_score_and_no_file_names_it(run_cli, only_run) -> None:
    assert run_cli(*QUICK, "data/extract=iris", "trainer.epochs=1").status == 0
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
