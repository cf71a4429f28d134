"""The scores of all folds together."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, roc_auc_score

from harness.config.compose import compose
from harness.core.fold import Fold
from harness.record.aggregate import ensemble_scores, over_folds, pooled, table_of_folds
from harness.record.predictions import FoldPredictions, pool
from harness.run import run
from harness.runs.fold_rows import write_rows
from harness.runs.journal import read

pytestmark = pytest.mark.slow

NONE = np.empty(0, dtype=np.int64)


def fold_record(
    number: int, outer: int | None = None, predictions: FoldPredictions | None = None, **scores: float
) -> Any:
    fold = Fold(number, NONE, NONE, NONE, outer=outer)
    return SimpleNamespace(fold=fold, scores=scores, predictions=predictions)


def test_each_score_is_summarised_over_the_folds_that_have_it() -> None:
    found = over_folds([fold_record(0, a=1.0, b=5.0), fold_record(1, a=3.0), fold_record(2)])
    assert found["a"]["folds"] == [1.0, 3.0]
    assert found["a"]["mean"] == 2.0
    assert found["b"]["folds"] == [5.0]


def test_inner_folds_that_share_their_test_rows_count_as_one() -> None:
    fold_records = [
        fold_record(0, 0, a=1.0),
        fold_record(1, 0, a=2.0),
        fold_record(2, 1, a=5.0),
        fold_record(3, 1, a=7.0),
    ]
    found = over_folds(fold_records)["a"]
    assert found["folds"] == [1.5, 6.0]
    assert found["mean"] == 3.75


def test_the_table_of_folds_names_the_outer_fold_where_there_is_one() -> None:
    assert list(table_of_folds([fold_record(0, a=1.0)]).columns) == ["fold", "a"]
    assert table_of_folds([fold_record(0, 0, a=1.0), fold_record(1, 2, a=1.0)])["outer"].tolist() == [0, 2]


def fold_predictions(rows: list[int], outputs: list[Any], targets: list[float]) -> FoldPredictions:
    values = torch.tensor(outputs, dtype=torch.float64)
    kind = torch.int64 if values.ndim == 2 else torch.float32
    return FoldPredictions(
        pd.DataFrame({"row": rows}),
        values.log() if values.ndim == 2 else values,
        torch.tensor(targets, dtype=kind),
        values.ndim == 1,
    )


def test_predictions_of_all_folds_are_measured_as_one_part() -> None:
    seen: list[Any] = []

    def measure(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        seen.append((outputs.exp().tolist(), targets.tolist()))
        return {"accuracy": 0.5}

    fold_records = [
        fold_record(0, predictions=fold_predictions([2, 0], [[0.9, 0.1], [0.2, 0.8]], [0, 1])),
        fold_record(1, predictions=fold_predictions([1], [[0.5, 0.5]], [1])),
    ]
    assert pooled(fold_records, measure) == {"test/accuracy": 0.5}
    outputs, targets = seen[0]
    np.testing.assert_allclose(outputs, [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    assert targets == [0, 1, 1]


def test_a_row_that_several_folds_test_counts_once_with_its_mean_probabilities() -> None:
    def measure(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        np.testing.assert_allclose(outputs.exp(), [[0.2, 0.8], [0.6, 0.4]])
        assert targets.tolist() == [1, 0]
        return {"seen": 1.0}

    one = fold_predictions([7, 3], [[0.9, 0.1], [0.2, 0.8]], [0, 1])
    two = fold_predictions([7], [[0.3, 0.7]], [0])
    assert pool([one, two], measure) == {"seen": 1.0}


def test_numbers_are_averaged_as_they_are() -> None:
    def measure(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        assert outputs.tolist() == [2.0, 9.0]
        assert targets.tolist() == [5.0, 8.0]
        return {}

    pool([fold_predictions([0, 1], [1.0, 9.0], [5.0, 8.0]), fold_predictions([0], [3.0], [5.0])], measure)


def test_an_ensemble_is_scored_on_rows_that_several_models_have_not_learned() -> None:
    def measure(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        return {"mse": float((outputs - targets).square().mean()), "rows": float(len(targets))}

    one = fold_predictions([0, 1, 2], [1.0, 4.0, 9.0], [2.0, 2.0, 9.0])
    two = fold_predictions([1, 0], [2.0, 3.0], [2.0, 2.0])
    found = ensemble_scores([fold_record(0, predictions=one), fold_record(1, predictions=two)], measure)
    assert found["test/mse_baseline_ensemble"]["folds"] == [0.5]  # means 2 and 3 of rows 0 and 1
    assert found["test/rows_baseline_ensemble"]["mean"] == 2  # row 2 has one model
    # Outer folds of a nested split have a score each.
    outer = [fold_record(number, number // 2, predictions=part) for number, part in enumerate([one, two] * 2)]
    assert ensemble_scores(outer, measure)["test/mse_baseline_ensemble"]["folds"] == [0.5, 0.5]
    assert not ensemble_scores([fold_record(0, predictions=one)], measure)
    assert not ensemble_scores([fold_record(0)], measure)


def test_a_single_fold_has_nothing_to_pool() -> None:
    assert (
        pooled([fold_record(0, predictions=fold_predictions([0], [1.0], [1.0]))], lambda *_: {"rmse": 0.0})
        == {}
    )
    assert pooled([fold_record(0), fold_record(1)], lambda *_: {"rmse": 0.0}) == {}


def test_the_rows_of_every_fold_are_stored(tmp_path: Path) -> None:
    folds = [
        Fold(0, np.array([0, 1]), np.array([2]), np.array([3])),
        Fold(4, np.array([3]), NONE, np.array([0]), np.array([1, 2])),
    ]
    write_rows(folds, 5, tmp_path / "folds.npz")
    stored = np.load(tmp_path / "folds.npz")
    assert stored["parts"].tolist() == [[1, 1, 2, 3, 0], [3, 4, 4, 1, 0]]
    assert stored["number"].tolist() == [0, 4]


QUICK = ["tracking=none", "trainer.device=cpu", "trainer.epochs=2", "model=mlp", "model.widths=[8]"]


@pytest.fixture(scope="module")
def wines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 30 leave-one-out folds."""
    folder = tmp_path_factory.mktemp("wines")
    kept = pd.DataFrame(_wine()).sample(30, random_state=0)
    kept.to_csv(folder / "wine.csv", index=False)
    words = ["data/extract=csv", f"data.extract.path={folder / 'wine.csv'}", "data.extract.target=cultivar"]
    run(compose([*QUICK, *words, "split=leave_one_out", f"outputs={folder}"]), folder / "run")
    return folder / "run"


def _wine() -> pd.DataFrame:
    from sklearn.datasets import load_wine

    found = load_wine(as_frame=True)
    return found.data.assign(cultivar=[f"c{code}" for code in found.target])


def test_the_pooled_scores_of_leave_one_out_are_those_of_its_predictions(wines: Path) -> None:
    result = json.loads((wines / "result.json").read_text())
    scores, rows = result["scores"], pd.read_csv(wines / "predictions.csv")
    assert result["folds"] == len(rows) == 30
    assert rows["row"].tolist() == rows["fold"].tolist() == list(range(30))
    shares = rows.filter(like="probability_").to_numpy(dtype=np.float64)
    codes = rows.target.str.removeprefix("c").astype(int)
    pooled_scores = {name.removeprefix("test/"): s["pooled"] for name, s in scores.items() if "pooled" in s}
    assert pooled_scores["accuracy"] == pytest.approx(accuracy_score(rows.target, rows.prediction))
    assert pooled_scores["accuracy"] == pytest.approx(scores["test/accuracy"]["mean"])
    expected = log_loss(codes, shares / shares.sum(axis=1, keepdims=True))
    assert pooled_scores["log_loss"] == pytest.approx(expected, rel=1e-5)
    areas = roc_auc_score(np.eye(3)[codes], shares, average="macro")
    assert pooled_scores["auroc"] == pytest.approx(areas, abs=1e-9)
    assert scores["test/auroc"]["mean"] is None  # one row has no curve
    assert "pooled" not in scores["valid/accuracy"]


def test_hundreds_of_folds_are_one_run_with_a_curve_over_folds(wines: Path) -> None:
    events = read(wines)[0]
    assert {event["run"] for event in events} == {""}
    curve = [
        event for event in events if event["event"] == "metrics" and "fold/test/accuracy" in event["values"]
    ]
    assert [event["step"] for event in curve] == list(range(30))
    table = pd.read_csv(wines / "folds.csv")
    assert table["test/accuracy"].tolist() == [event["values"]["fold/test/accuracy"] for event in curve]
    assert sorted(path.name for path in wines.glob("fold-*")) == [f"fold-{k}" for k in range(10)]
    assert not list(wines.glob("fold-*/curves.svg"))


def test_a_regression_is_pooled_too(tmp_path: Path) -> None:
    words = ["data/extract=diabetes", "split=kfold", "split.folds=3", f"outputs={tmp_path}"]
    result = run(compose([*QUICK, *words]), tmp_path / "run")
    rows = pd.read_csv(tmp_path / "run" / "predictions.csv")
    expected = mean_squared_error(rows.target, rows.prediction) ** 0.5
    assert result.scores["test/rmse"]["pooled"] == pytest.approx(expected, rel=1e-6)


def test_repeated_folds_pool_each_row_once(tmp_path: Path) -> None:
    words = [
        "data/extract=iris",
        "split=repeated_kfold",
        "split.folds=2",
        "split.repeats=2",
        f"outputs={tmp_path}",
    ]
    result = run(compose([*QUICK, *words]), tmp_path / "run")
    rows = pd.read_csv(tmp_path / "run" / "predictions.csv")
    assert len(rows) == 300
    columns = list(rows.filter(like="probability_"))
    means = rows.groupby("row")[columns].mean()
    predicted = means.to_numpy().argmax(axis=1)
    names = [column.removeprefix("probability_") for column in columns]
    true = rows.groupby("row").target.first()
    assert result.scores["test/accuracy"]["pooled"] == pytest.approx(
        np.mean([names[c] for c in predicted] == true)
    )
