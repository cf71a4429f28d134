"""Evaluation on other rows: the scores are those of the stored model, whatever the rows come from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import accuracy_score, log_loss, root_mean_squared_error

from harness.bundle.ensemble import open_predictor
from harness.replay.evaluate_run import evaluate
from harness.runs.run_result import Result
from harness.runs.stored_run import StoredRun

pytestmark = pytest.mark.slow

TABLE = "data/extract=breast_cancer"
FOLDS = (TABLE, "split=kfold", "split.folds=3")


def test_scores(result: Result | None) -> dict[str, float]:
    assert result is not None
    return {name: s["mean"] for name, s in result.scores.items() if name.startswith("test/")}


test_scores.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "words", [(), (TABLE,), ("data/extract=diabetes",), ("trainer=contrastive",)], ids=lambda w: "-".join(w)
)
def test_on_its_own_data_a_run_has_the_same_scores(
    words: tuple[str, ...], finished: Callable[..., Path], here: Path
) -> None:
    folder = finished(*words)
    logged = StoredRun(folder)
    result = evaluate(logged, [], "outputs")[1]
    wanted = test_scores(logged.result)
    wanted.pop("test/loss", None)
    assert test_scores(result) == wanted
    (made,) = (here / "outputs" / "runs").iterdir()
    if (folder / "predictions.csv").exists():
        assert (made / "predictions.csv").read_text() == (folder / "predictions.csv").read_text()
    tags = StoredRun(made).tags
    assert tags["evaluated.run"] == "made"
    assert tags["evaluated.folder"] == str(folder)
    assert StoredRun(made).name == f"evaluate-{logged.name}"
    assert not StoredRun(made).models


@pytest.fixture
def other(here: Path) -> pd.DataFrame:
    """The first 100 rows of the breast cancer data, with a column more, in another order, as other.csv."""
    data = load_breast_cancer(as_frame=True)
    frame = data.frame.head(100).copy()
    frame["target"] = data.target_names[frame["target"].to_numpy()]
    frame = frame.rename(columns={"target": "diagnosis"})
    frame.insert(0, "extra", range(100))
    frame[list(frame)[::-1]].to_csv(here / "other.csv", index=False)
    return frame


CSV = ["data/extract=csv", "data.extract.path=other.csv"]


def test_a_file_is_scored_by_the_fitted_transform_and_learned_rows_are_counted(
    finished: Callable[..., Path], other: pd.DataFrame, here: Path
) -> None:
    logged = StoredRun(finished(TABLE))
    target = logged.config.data.extract.target
    other = other.rename(columns={"diagnosis": target})
    other.to_csv(here / "other.csv", index=False)
    result = evaluate(logged, CSV, "outputs")[1]
    predicted = open_predictor(logged.model)(other)
    found = test_scores(result)
    assert found["test/accuracy"] == pytest.approx(accuracy_score(other[target], predicted["prediction"]))
    chances = predicted[["probability_benign", "probability_malignant"]]
    chances = chances.div(chances.sum(axis=1), axis=0)
    assert found["test/log_loss"] == pytest.approx(log_loss(other[target], chances), rel=1e-5)
    stored = np.load(logged.folder / "folds.npz")["parts"][0]
    whole = load_breast_cancer(as_frame=True)
    names = whole.target_names[whole.target.to_numpy()]
    majority = pd.Series(names[stored == 1]).mode()[0]
    assert found["test/accuracy_baseline_majority"] == pytest.approx((other[target] == majority).mean())
    (made,) = (here / "outputs" / "runs").iterdir()
    finding, beyond = json.loads((made / "checks.json").read_text())
    assert beyond["check"] == "range"
    assert beyond["sentence"].startswith("2 of 100 rows have values beyond the range of the training rows")
    learned = int(np.isin(stored[:100], (1, 2)).sum())
    assert finding["sentence"].startswith(f"{learned} of 100 rows are rows that the model has learned")
    assert finding["severity"] == "warning"
    assert len(pd.read_csv(made / "predictions.csv")) == 100


def test_one_class_alone_keeps_the_classes_of_the_model(
    finished: Callable[..., Path], other: pd.DataFrame, here: Path
) -> None:
    logged = StoredRun(finished(TABLE))
    target = logged.config.data.extract.target
    alone = other[other["diagnosis"] == "malignant"].rename(columns={"diagnosis": target})
    alone.to_csv(here / "other.csv", index=False)
    found = test_scores(evaluate(logged, CSV, "outputs")[1])
    predicted = open_predictor(logged.model)(alone)["prediction"]
    assert found["test/accuracy"] == pytest.approx((predicted == "malignant").mean())


def test_of_several_folds_one_is_named_or_all_answer_together(
    finished: Callable[..., Path], here: Path
) -> None:
    folder = finished(*FOLDS)
    of_fold = evaluate(StoredRun(folder, 1), [], "outputs")[1]
    logged = StoredRun(folder)
    assert logged.result is not None
    wanted = logged.result.scores["test/accuracy"]["folds"][1]
    assert test_scores(of_fold)["test/accuracy"] == wanted
    with pytest.raises(
        Exception, match=r"every row of it was learned by the model \(or one of its members\)"
    ):
        evaluate(logged, [], "outputs", together=True)
    result = evaluate(logged, [], "outputs", together=True, everything=True)[1]
    whole = load_breast_cancer(as_frame=True)
    members = [open_predictor(path)(whole.data)["probability_malignant"] for path in logged.models.values()]
    mean = sum(members) / 3
    names = whole.target_names[whole.target.to_numpy()]
    predicted = np.where(mean > 0.5, "malignant", "benign")
    assert test_scores(result)["test/accuracy"] == pytest.approx((predicted == names).mean())
    assert test_scores(result)["test/accuracy_baseline_majority"] == pytest.approx((names == "benign").mean())


def test_without_the_original_rows_the_baselines_are_left_out(
    finished: Callable[..., Path], tmp_path: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copied"
    shutil.copytree(finished("data/extract=diabetes"), copy)
    config = OmegaConf.load(copy / "config.yaml")
    from sklearn.datasets import load_diabetes

    frame = load_diabetes(as_frame=True, scaled=False).frame.head(50)
    logged = StoredRun(copy)
    name = config.data.extract.target
    frame = frame.rename(columns={"target": name})
    frame.to_csv("other.csv", index=False)
    OmegaConf.update(config, "data.extract.name", "gone")
    OmegaConf.save(config, copy / "config.yaml")
    found = test_scores(evaluate(logged, CSV, "outputs")[1])
    predicted = open_predictor(copy / "model")(frame)["prediction"]
    assert found["test/rmse"] == pytest.approx(root_mean_squared_error(frame[name], predicted), rel=1e-5)
    assert set(found) == {"test/rmse", "test/mae", "test/r2"}
    assert "no baselines: they follow from the rows that copied was trained on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=mlp"], "model=mlp cannot be part of an evaluation: the trained model is not changed"),
        (["trainer.epochs=3"], "trainer.epochs=3 cannot be part of an evaluation"),
        (["data.extract.nam=x"], "the run has no setting data.extract.nam; did you mean name"),
        (["~data.extract.name"], "it takes KEY=VALUE or GROUP=CHOICE"),
        ([*CSV, "data.extract.target=outcome"], "which other does not have"),
        ([*CSV, "data.extract.target=extra"], "holds the class '0', which the model was not trained on"),
        (["data/extract=digits"], "trained on rows of kind 'table', and digits has rows of kind 'image'"),
        (["data/extract=wine"], "the model needs the 30 columns that it was trained on, and wine lacks"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else None,
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    words: list[str],
    message: str,
    finished: Callable[..., Path],
    other: pd.DataFrame,
    here: Path,
    run_cli: Any,
) -> None:
    answer = run_cli("evaluate", str(finished(TABLE)), *words)
    assert answer.status == 2
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert not (here / "outputs").exists()
