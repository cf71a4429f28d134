"""What stands for all folds: their ensemble, and one more training on all rows."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from harness.bundle import fitted_state
from harness.bundle.bundle import read as read_bundle
from harness.bundle.ensemble import Ensemble, open_predictor
from harness.bundle.row_predictor import RowPredictor
from harness.config.instantiate import build
from harness.core.table import Table
from harness.runs.bundle_files import TRANSFORM
from harness.runs.journal import read
from harness.runs.stored_run import StoredRun

pytestmark = pytest.mark.slow

FOLDS = ("data/extract=breast_cancer", "split=kfold", "split.folds=3", "trainer.epochs=4")
BOTH = (*FOLDS, "production.refit=true", "production.ensemble=true")


@pytest.fixture(scope="session")
def folder(finished: Callable[..., Path]) -> Path:
    return finished(*BOTH)


@pytest.fixture
def rows() -> pd.DataFrame:
    return load_breast_cancer(as_frame=True).data.head(20)


def test_the_refit_learns_from_every_row_for_the_median_of_the_best_epochs(folder: Path) -> None:
    result = json.loads((folder / "result.json").read_text())
    best = result["scores"]["train/best_epoch"]["folds"]
    assert len(best) == 3
    config = read_bundle(folder / "refit").config
    assert config["trainer"]["epochs"] == round(statistics.median(best))
    # Its scaler has seen all 569 rows, and that of a fold has not.
    np.testing.assert_allclose(_shaped(folder / "refit").mean(axis=0), 0, atol=1e-5)
    assert np.abs(_shaped(folder / "fold-0" / "model").mean(axis=0)).max() > 0.01


def test_of_many_folds_the_line_says_how_many_models_are_kept_and_scored(run_cli: Callable[..., Any]) -> None:
    words = (
        "data/extract=iris",
        "split=nested",
        "split.outer.folds=3",
        "split.inner.folds=4",
        "trainer.epochs=1",
    )
    answer = run_cli(*words, "production.ensemble=true", "tracking=none")
    assert answer.status == 0, answer
    said = "the models of 10 of 12 folds; the scores of ensemble are of the mean of 4 models"
    assert said in " ".join(answer.out.split())


def test_the_folds_scores_are_those_without_a_refit(folder: Path, finished: Callable[..., Path]) -> None:
    def scores(made: Path) -> dict[str, Any]:
        found = json.loads((made / "result.json").read_text())["scores"]
        return {name: score for name, score in found.items() if not name.startswith("time/")}

    assert scores(folder) == scores(finished(*FOLDS))


def test_an_ensemble_answers_by_the_mean_of_its_members(folder: Path, rows: pd.DataFrame) -> None:
    ensemble = open_predictor(folder / "ensemble")
    assert isinstance(ensemble, Ensemble)
    found = ensemble(rows)
    members = [RowPredictor(folder / f"fold-{k}" / "model")(rows) for k in range(3)]
    columns = [column for column in found if column.startswith("probability_")]
    mean = np.mean([member[columns].to_numpy() for member in members], axis=0)
    np.testing.assert_allclose(found[columns].to_numpy(), mean, rtol=1e-15)
    classes = [column.removeprefix("probability_") for column in columns]
    assert list(found["prediction"]) == [classes[i] for i in mean.argmax(axis=1)]
    assert list(found.columns) == list(members[0].columns)


def test_the_refit_is_the_model_of_the_run_and_mlflow_has_both(folder: Path) -> None:
    assert StoredRun(folder).model == folder / "refit"
    models = [event["path"] for event in read(folder)[0] if event["event"] == "model" and event["run"] == ""]
    assert models == ["ensemble", "refit"]


def test_the_epochs_of_a_refit_are_in_the_journal(folder: Path) -> None:
    epochs = read_bundle(folder / "refit").config["trainer"]["epochs"]
    metrics = [e for e in read(folder)[0] if e["event"] == "metrics" and "refit/train/loss" in e["values"]]
    assert [event["step"] for event in metrics] == list(range(1, epochs + 1))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("production.ensemble=true",), "puts the models of several folds together, and the split gives one"),
        (
            ("production.ensemble=true", "split=kfold", "split.folds=2", "trainer=contrastive"),
            "averages predictions, and this trainer learns representations",
        ),
        (
            ("production.refit=true", "trainer/scheduler=plateau"),
            "waits for valid/log_loss, and the split leaves no validation rows",
        ),
    ],
)
def test_what_cannot_be_combined_over_folds_is_refused_before_training(
    run_cli: Any, here: Path, words: tuple[str, ...], message: str
) -> None:
    answer = run_cli("data/extract=breast_cancer", "tracking=none", "trainer.device=cpu", *words)
    assert answer.status == 2
    assert message in answer.err
    assert list(here.glob("outputs/runs/*")) == []


def _shaped(bundle: Path) -> np.ndarray:
    """(569, 30): all rows as the bundle's transform shapes them."""
    transform = build(read_bundle(bundle).config["data"]["transform"], "data.transform")
    transform.restore(fitted_state.load(bundle / TRANSFORM))
    frame = load_breast_cancer(as_frame=True).data
    return np.asarray(transform(Table(frame, tuple(frame.columns))).inputs)
