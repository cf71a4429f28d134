"""split.ensemble: each fold is an ensemble of networks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.preprocessing import StandardScaler

from harness.bundle import fitted_state
from harness.bundle.bundle import read as read_bundle
from harness.bundle.ensemble import Ensemble, open_predictor
from harness.bundle.row_predictor import RowPredictor
from harness.config.instantiate import build
from harness.core.errors import UserError
from harness.core.table import Table
from harness.runs.bundle_files import TRANSFORM
from harness.runs.fold_rows import read_rows
from harness.runs.outputs import Outputs
from harness.runs.stored_run import StoredRun

pytestmark = pytest.mark.slow

ONE = ("data/extract=breast_cancer", "split.ensemble=3", "trainer.epochs=4")
FOLDS = (*ONE, "split=stratified_kfold", "split.folds=2")
QUICK = ("tracking=none", "trainer.epochs=1", "report=false")


@pytest.fixture(scope="session")
def one(finished: Callable[..., Path]) -> Path:
    return finished(*ONE)


@pytest.fixture(scope="session")
def folds(finished: Callable[..., Path]) -> Path:
    return finished(*FOLDS)


def scores(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())["scores"]
    return content


def shares(folder: Path, rows: np.ndarray) -> np.ndarray:
    """The probability of a malignant tumour by each of three networks, (3, n)."""
    frame = load_breast_cancer(as_frame=True).data.iloc[rows]
    answers = [RowPredictor(folder / f"fold-{number}" / "model")(frame) for number in range(3)]
    return np.stack([answer["probability_malignant"].to_numpy() for answer in answers]).astype(np.float64)


def test_the_scores_are_those_of_the_mean_of_the_networks_predictions(one: Path) -> None:
    stored = read_rows(one)
    assert stored is not None
    numbers, tests = stored.rows_in("test")
    assert numbers.tolist() == [0]
    rows = np.flatnonzero(tests[0])
    malignant = load_breast_cancer().target[rows] == 0
    each = shares(one, rows)
    mean = each.mean(axis=0)
    found = scores(one)
    assert found["test/accuracy"]["folds"] == [pytest.approx(accuracy_score(malignant, mean > 0.5))]
    assert found["test/log_loss"]["mean"] == pytest.approx(log_loss(malignant, mean), rel=1e-5)
    single = np.mean([log_loss(malignant, own) for own in each])
    assert found["test/log_loss_baseline_single_network"]["mean"] == pytest.approx(single, rel=1e-5)
    assert single > found["test/log_loss"]["mean"]  # by Jensen's inequality
    low, high = found["test/accuracy"]["ci95_rows"]
    assert low < found["test/accuracy"]["mean"] < high
    assert json.loads((one / "result.json").read_text())["folds"] == 1
    predicted = pd.read_csv(one / "predictions.csv")
    assert predicted["row"].tolist() == rows.tolist()
    np.testing.assert_allclose(predicted["probability_malignant"], mean, rtol=1e-5)
    assert (predicted["prediction"] == "malignant").tolist() == (mean > 0.5).tolist()


def test_the_ensemble_is_the_model_of_the_run_without_a_further_word(one: Path) -> None:
    assert StoredRun(one).model == one / "ensemble"
    predictor = open_predictor(one / "ensemble")
    assert isinstance(predictor, Ensemble)
    rows = np.arange(30)
    found = predictor(load_breast_cancer(as_frame=True).data.iloc[rows])
    np.testing.assert_allclose(found["probability_malignant"], shares(one, rows).mean(axis=0), rtol=1e-6)


def test_a_single_network_is_never_taken_for_a_fold(one: Path) -> None:
    outputs = Outputs(one.parent.parent)
    with pytest.raises(UserError, match=r"fold-1 of made is one network of an ensemble of 3"):
        outputs.find("made/fold-1")


def test_folds_have_a_score_each_and_every_row_is_predicted_once(folds: Path) -> None:
    found = scores(folds)
    predicted = pd.read_csv(folds / "predictions.csv")
    assert predicted["row"].tolist() == list(range(569))
    right = predicted["prediction"] == predicted["target"]
    own = right.groupby(predicted["fold"]).mean()
    assert found["test/accuracy"]["folds"] == pytest.approx([own[0], own[1]])
    assert found["test/accuracy"]["pooled"] == pytest.approx(right.mean())
    lines = pd.read_csv(folds / "folds.csv")
    assert lines[["fold", "outer", "network"]].to_numpy().tolist() == [[k, k // 3, k % 3] for k in range(6)]
    means = lines.groupby("outer")["test/accuracy"].mean()
    assert found["test/accuracy_baseline_single_network"]["folds"] == pytest.approx(means.tolist())
    assert json.loads((folds / "ensemble" / "bundle.json").read_text())["members"] == list("012345")


def test_no_row_that_a_fold_tests_reaches_its_networks(folds: Path) -> None:
    stored = read_rows(folds)
    assert stored is not None
    assert stored.outer is not None
    assert stored.outer.tolist() == [0, 0, 0, 1, 1, 1]
    _, tests = stored.rows_in("test")
    assert (tests.sum(axis=0) == 1).all()
    for place, parts in enumerate(stored.parts):
        assert ((parts == 3) == tests[place // 3]).all()
        scaled = _transformed(folds / f"fold-{place}" / "model")
        # Each network's transform has the mean of its own training rows.
        np.testing.assert_allclose(scaled[parts == 1].mean(axis=0), 0, atol=1e-5)
        assert np.abs(scaled[parts != 3].mean(axis=0)).max() > 1e-3


def _transformed(bundle: Path) -> np.ndarray:
    """(569, 30): all rows as the bundle's transform gives them."""
    transform = build(read_bundle(bundle).config["data"]["transform"], "data.transform")
    transform.restore(fitted_state.load(bundle / TRANSFORM))
    frame = load_breast_cancer(as_frame=True).data
    return np.asarray(transform(Table(frame, tuple(frame.columns))).inputs)


@pytest.mark.usefixtures("fitted_baselines")
def test_baselines_are_fitted_once_for_a_fold_on_all_of_its_rows(run_cli: Any, only_run: Any) -> None:
    words = ("data/extract=iris", "split=stratified_kfold", "split.folds=2", "split.ensemble=2")
    assert run_cli(*words, "data/transform/numeric=standard", *QUICK).status == 0
    folder = only_run()
    found = scores(folder)
    lines = pd.read_csv(folder / "folds.csv")
    assert lines["test/accuracy_baseline_boosting"].notna().tolist() == [False, True, False, True]
    assert not [name for name in lines if name.startswith("valid/") and name.endswith("_linear")]
    linear = found["test/log_loss_baseline_linear"]
    assert linear["folds"] == lines["test/log_loss_baseline_linear"].dropna().tolist()
    gaps = np.subtract(linear["folds"], found["test/log_loss"]["folds"])
    assert linear["difference"]["mean"] == pytest.approx(gaps.mean())
    assert linear["difference"]["ci95"][0] < gaps.mean() < linear["difference"]["ci95"][1]
    stored = read_rows(folder)
    assert stored is not None
    x, y = load_iris(return_X_y=True)
    for tested, value in zip(stored.rows_in("test")[1], linear["folds"], strict=True):
        scaler = StandardScaler().fit(x[~tested])
        model = LogisticRegression(max_iter=1000).fit(scaler.transform(x[~tested]), y[~tested])
        expected = log_loss(y[tested], model.predict_proba(scaler.transform(x[tested])))
        assert value == pytest.approx(expected, rel=1e-3)


@pytest.mark.usefixtures("fitted_baselines")
def test_the_interval_of_one_fold_is_over_its_rows_and_about_the_ensemble(
    run_cli: Any, only_run: Any
) -> None:
    assert run_cli("data/extract=diabetes", "split.ensemble=2", *QUICK).status == 0
    found = scores(only_run())
    for kind in ("linear", "boosting"):
        summary = found[f"test/rmse_baseline_{kind}"]
        low, high = summary["difference"]["ci95"]
        assert summary["difference"]["mean"] == pytest.approx(summary["mean"] - found["test/rmse"]["mean"])
        assert (low + high) / 2 == pytest.approx(summary["difference"]["mean"])


@pytest.mark.usefixtures("fitted_baselines")
def test_the_limit_of_baselines_counts_folds_and_not_networks(run_cli: Any, only_run: Any) -> None:
    words = ("data/extract=iris", "split=kfold", "split.folds=6", "split.ensemble=4", "split.guard=off")
    assert run_cli(*words, *QUICK, "model.widths=[4]").status == 0
    assert len(scores(only_run())["test/accuracy_baseline_linear"]["folds"]) == 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("split=time_series",),
            "deals training and validation rows anew, and split=time_series keeps",
        ),
        (("split=predefined",), "deals training and validation rows anew, and split=predefined takes the"),
        (("split=nested",), "deals the rows that a fold does not test, as the inner split of split=nested"),
        (("split.labelled=40",), "so split.labelled could hide no label; leave one of them out"),
        (("trainer=contrastive",), "averages predictions, and this trainer learns representations"),
        (("split.ensemble=1",), "split.ensemble must be 2 networks or more, or null, got 1"),
        (("split.ensemble=500",), "split.ensemble=500 needs as many rows to train and validate by"),
    ],
)
def test_what_leaves_no_ensemble_is_refused(
    refusal: Callable[..., str], words: tuple[str, ...], message: str
) -> None:
    assert message in refusal("data/extract=breast_cancer", "tracking=none", "split.ensemble=4", *words)


def test_the_screen_names_fold_and_network(run_cli: Any) -> None:
    words = ("data/extract=iris", "split=kfold", "split.folds=2", "split.ensemble=2")
    answer = run_cli(*words, *QUICK)
    lines = [line.split()[:2] for line in answer.out.splitlines()]
    assert "2 folds, each an ensemble of 2 networks" in answer.out
    start = lines.index(["fold", "network"])
    assert lines[start + 1 : start + 5] == [["0", "0"], ["0", "1"], ["1", "0"], ["1", "1"]]
    assert "the mean of 4 networks is the model of the run" in answer.out
    assert "single network" in answer.out


def test_the_tested_trial_of_a_sweep_predicts_by_its_ensemble(run_cli: Any, here: Path) -> None:
    words = ("data/extract=iris", "split.ensemble=2", "tracking=none", "trainer.epochs=2")
    answer = run_cli("-m", *words, "seed=1,2", "sweep.name=two", "sweep.test=best")
    assert answer.status == 0, answer.err
    outputs = Outputs(here / "outputs")
    best = outputs.find("two/best")
    assert best.model == best.folder / "ensemble"
    assert "test/accuracy_baseline_single_network" in scores(best.folder)
    result = json.loads((best.folder.parent / "result.json").read_text())
    other = outputs.find(f"two/{1 - result['best']['number']}")
    with pytest.raises(UserError, match=r"only a trial that was tested has; combine them with --ens"):
        _ = other.model
