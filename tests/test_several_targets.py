"""Several targets, from the file to the scores over folds and to production."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, roc_auc_score

from harness.bundle.row_predictor import RowPredictor
from harness.config.compose import compose
from harness.run import run

QUICK = ["trainer.epochs=2", "tracking=none", "trainer.device=cpu", "split.guard=off", "data.cache=off"]
REPEATED = ["split=repeated_kfold", "split.folds=2", "split.repeats=2"]


def write(path: Path) -> Path:
    """Forty rows with two numbers and two labels to predict; in rows 3 and 5 one of each is unknown."""
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(generator.normal(size=(40, 2)), columns=["u", "v"])
    frame["kg"] = 70 + 10 * frame["u"]
    frame["cm"] = 0.1 * frame["v"] - frame["u"]
    frame["hot"] = (frame["u"] > 0).astype(int)
    frame["wet"] = (frame["v"] + 0.5 * generator.normal(size=40) > 0).astype("Int64")
    frame.loc[3, ["cm", "wet"]] = None
    frame.loc[5, "kg"] = None
    frame.to_csv(path / "rows.csv", index=False)
    return path / "rows.csv"


def words(path: Path, *targets: str) -> list[str]:
    return [
        *QUICK,
        "data/extract=csv",
        f"data.extract.path={path}",
        f"data.extract.target=[{','.join(targets)}]",
        "data.extract.features=[u,v]",
        f"outputs={path.parent}",
    ]


def test_pooled_scores_of_several_numbers_are_those_of_the_mean_predictions(tmp_path: Path) -> None:
    result = run(compose([*words(write(tmp_path), "kg", "cm"), *REPEATED]), tmp_path / "run")
    rows = pd.read_csv(tmp_path / "run" / "predictions.csv")
    assert not {3, 5} & set(rows["row"])
    means = rows.groupby("row").mean()
    true, predicted = means[["target_kg", "target_cm"]], means[["prediction_kg", "prediction_cm"]]
    assert len(means) == 38
    pooled = {name: result.scores[f"test/{name}"]["pooled"] for name in ("rmse", "mae", "r2")}
    gaps = true.to_numpy() - predicted.to_numpy()
    assert pooled == {
        "rmse": pytest.approx(np.sqrt((gaps**2).mean(axis=0)).mean(), rel=1e-5),
        "mae": pytest.approx(mean_absolute_error(true, predicted), rel=1e-5),
        "r2": pytest.approx(r2_score(true, predicted), rel=1e-5),
    }
    assert (tmp_path / "run" / "residuals.svg").exists()


def test_pooled_scores_of_labels_are_those_of_the_mean_probabilities(tmp_path: Path) -> None:
    result = run(compose([*words(write(tmp_path), "hot", "wet"), *REPEATED]), tmp_path / "run")
    means = pd.read_csv(tmp_path / "run" / "predictions.csv").groupby("row").mean()
    true = means[["target_hot", "target_wet"]].to_numpy()
    chances = means[["probability_hot", "probability_wet"]].to_numpy()
    assert len(means) == 39
    right = (chances > 0.5) == true
    for name, expected in {
        "accuracy": right.mean(),
        "exact_match": right.all(axis=1).mean(),
        "auroc": roc_auc_score(true, chances, average="macro"),
        "log_loss": -np.log(np.where(true == 1, chances, 1 - chances)).mean(),
    }.items():
        assert result.scores[f"test/{name}"]["pooled"] == pytest.approx(expected, rel=1e-5)
    assert (tmp_path / "run" / "calibration.svg").exists()
    assert not (tmp_path / "run" / "confusion.svg").exists()


@pytest.mark.parametrize("targets", [("kg", "cm"), ("hot", "wet")])
def test_the_stored_model_predicts_what_the_run_predicted(tmp_path: Path, targets: tuple[str, str]) -> None:
    path = write(tmp_path)
    run(compose(words(path, *targets)), tmp_path / "run")
    rows = pd.read_csv(tmp_path / "run" / "predictions.csv")
    found = RowPredictor(tmp_path / "run" / "model")(pd.read_csv(path)).iloc[rows["row"]]
    columns = [name for name in rows if name.startswith(("prediction_", "probability_"))]
    assert list(found) == columns
    np.testing.assert_allclose(found.to_numpy(float), rows[columns].to_numpy(float), rtol=1e-5, atol=1e-6)
