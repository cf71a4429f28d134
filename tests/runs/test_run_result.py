from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from harness.core.errors import UserError
from harness.core.student_t import student_t
from harness.runs.run_result import Result, summarise, write_json
from harness.runs.stored_tables import read_fold_scores
from harness.runtime.stored_file import DamagedFile


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 10, 30, 31, 177, 1000])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_student_t_equals_scipy(freedom: int, confidence: float) -> None:
    assert student_t(freedom, confidence) == pytest.approx(
        stats.t.ppf((1 + confidence) / 2, freedom), rel=1e-10
    )


def test_three_folds_by_hand() -> None:
    summary = summarise([0.90, 0.94, 0.95])
    std = math.sqrt((0.03**2 + 0.01**2 + 0.02**2) / 2)
    half = 4.302652729911275 * std / math.sqrt(3)
    assert summary == {
        "mean": pytest.approx(0.93),
        "std": pytest.approx(std),
        "ci95": [pytest.approx(0.93 - half), pytest.approx(0.93 + half)],
        "folds": [0.90, 0.94, 0.95],
    }


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_mean_and_std_equal_numpy(values: list[float]) -> None:
    summary = summarise(values)
    assert summary["mean"] == pytest.approx(np.mean(values), rel=1e-9, abs=1e-9)
    assert summary["std"] == pytest.approx(np.std(values, ddof=1), rel=1e-6, abs=1e-6)
    assert summary["ci95"][0] <= summary["mean"] <= summary["ci95"][1]


@pytest.mark.parametrize(
    ("values", "limits", "ends"),
    [
        ([0.90, 0.94, 0.95], (0, 1), None),
        ([0.99, 1.0, 0.95], (0, 1), lambda mean, half: logit_ends(mean, half)),
        ([0.0, 0.02, 0.01, 0.09], (0, 1), lambda mean, half: logit_ends(mean, half)),
        ([0.1, 0.9], (0, math.inf), lambda mean, half: [mean * math.exp(s * half / mean) for s in (-1, 1)]),
        ([0.7, 0.99, 0.99], (-math.inf, 1),
         lambda mean, half: [1 - (1 - mean) * math.exp(s * half / (1 - mean)) for s in (1, -1)]),
        ([95.0, 99.9, 99.0], (0, 1), None),  # a metric in per cent, in spite of its name
        ([-5.0, 9.0], (-math.inf, math.inf), None),
    ],
)  # fmt: skip
def test_an_interval_stays_within_what_the_score_can_be(
    values: list[float], limits: tuple[float, float], ends: Callable[[float, float], list[float]] | None
) -> None:
    mean, half = np.mean(values), stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    expected = [mean - half, mean + half] if ends is None else ends(float(mean), float(half))
    found = summarise(values, limits)["ci95"]
    assert found == pytest.approx(expected, rel=1e-9)
    if ends is not None:
        assert not (limits[0] <= mean - half and mean + half <= limits[1])
        assert limits[0] <= found[0] < mean < found[1] <= limits[1]


def logit_ends(mean: float, half: float) -> list[float]:
    steps = [sign * half / (mean * (1 - mean)) for sign in (-1, 1)]
    return [float(special.expit(special.logit(mean) + step)) for step in steps]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_no_interval_of_a_share_leaves_it(values: list[float]) -> None:
    low, high = summarise(values, (0.0, 1.0))["ci95"]
    assert -1e-9 <= low <= high <= 1 + 1e-9


def test_one_fold_has_neither_spread_nor_interval() -> None:
    assert summarise([0.5]) == {"mean": 0.5, "std": None, "ci95": None, "folds": [0.5]}


def test_folds_on_which_a_score_is_undefined_are_left_out_of_the_mean() -> None:
    with_gap, without = summarise([0.1, math.nan, 0.3]), summarise([0.1, 0.3])
    assert {name: with_gap[name] for name in ("mean", "std", "ci95")} == {
        name: without[name] for name in ("mean", "std", "ci95")
    }
    assert len(with_gap["folds"]) == 3
    assert math.isnan(summarise([math.nan])["mean"])
    assert summarise([math.nan, 0.2])["std"] is None


def test_an_infinite_fold_has_no_spread() -> None:
    summary = summarise([1.0, math.inf])
    assert summary["mean"] == math.inf
    assert math.isnan(summary["std"])


def result() -> Result:
    return Result(
        status="finished",
        objective={"name": "valid/accuracy", "direction": "maximize", "value": 0.98},
        scores={"test/accuracy": summarise([0.96, 0.98])},
        folds=2,
        seconds=12.3,
        seed=0,
        mlflow={"tracking_uri": "sqlite:///mlflow.db", "experiment": "digits", "run_id": "abc"},
        command="python -m harness split=kfold",
    )


def test_the_file_has_the_keys_of_the_contract_in_order(tmp_path: Path) -> None:
    result().write(tmp_path / "result.json")
    content = json.loads((tmp_path / "result.json").read_text())
    assert list(content) == [
        "schema",
        "status",
        "objective",
        "scores",
        "folds",
        "seconds",
        "seed",
        "mlflow",
        "command",
        "error",
    ]
    assert content["schema"] == 1
    assert content["scores"]["test/accuracy"]["folds"] == [0.96, 0.98]
    assert content["error"] is None


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    result().write(path)
    assert Result.read(path) == result()
    unsent = replace(result(), mlflow={"tracking_uri": "http://host", "experiment": "digits", "run_id": None})
    unsent.write(path)
    assert Result.read(path) == unsent
    several = Result(
        status="finished", objectives=[{"name": name, "direction": "minimize", "value": 1.0} for name in "ab"]
    )
    several.write(path)
    assert Result.read(path) == several


def test_baselines_of_an_earlier_version_have_the_names_of_today(tmp_path: Path) -> None:
    earlier = {"test/rmse": summarise([1.0]), "test/rmse_mean": summarise([2.0])}
    replace(result(), scores=earlier).write(tmp_path / "result.json")
    found = Result.read(tmp_path / "result.json").scores
    assert {name: score["mean"] for name, score in found.items()} == {
        "test/rmse": 1.0,
        "test/rmse_baseline_mean": 2.0,
    }


def test_baselines_of_an_earlier_table_of_folds_have_the_names_of_today(tmp_path: Path) -> None:
    (tmp_path / "folds.csv").write_text("fold,test/rmse,test/rmse_mean\n0,1.0,2.0\n")
    table = read_fold_scores(tmp_path)
    assert table is not None
    assert list(table) == ["fold", "test/rmse", "test/rmse_baseline_mean"]


def test_undefined_numbers_become_null_and_numpy_numbers_plain(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    scores = {
        "test/auroc": {
            "mean": math.nan,
            "std": np.float32(0.5),
            "ci95": None,
            "folds": [math.inf, np.int64(3)],
        }
    }
    Result(status="failed", scores=scores, error="diverged").write(path)
    text = path.read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert Result.read(path).scores == {
        "test/auroc": {"mean": None, "std": 0.5, "ci95": None, "folds": [None, 3]}
    }


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "result.json"
    result().write(path)
    before = path.read_text()

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space left"):
        Result(status="failed").write(path)
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3"])
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(DamagedFile, match=r"result\.json is damaged \(.*\); restore") as caught:
        Result.read(path)
    assert caught.value.path == path


def test_a_later_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text('{"schema": 2, "status": "finished"}')
    with pytest.raises(UserError, match="has schema 2, and this harness reads schema 1"):
        Result.read(path)


def test_any_content_is_written_as_strict_json_and_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_json(path, {"status": "finished", "best": {"values": [math.nan, 1.0, -math.inf]}})
    assert json.loads(path.read_text()) == {"status": "finished", "best": {"values": [None, 1.0, None]}}
    with pytest.raises(TypeError):
        write_json(path, {"status": object()})
    assert json.loads(path.read_text())["status"] == "finished"
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]
