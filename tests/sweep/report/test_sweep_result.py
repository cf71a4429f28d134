from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import yaml

from harness.runs.run_result import Result, summarise
from harness.sweep.report.sweep_result import again, scores_of, sum_up, write_best, write_trials
from harness.sweep.study.snapshot import Objective, Row, Snapshot
from harness.sweep.study.sweep_cost import Cost, Tariff

BEGUN = datetime(2026, 1, 2, 3, 4, 5)
ACCURACY = Objective("valid/accuracy", "maximize")
SIZE = Objective("model/parameters", "minimize")
ROWS = (
    Row(
        0,
        "complete",
        {"model": "mlp", "trainer.optimizer.lr": 0.003, "data.augment.flip": True, "model.norm": None},
        (0.9,),
        worker="node7-1",
        folder="0",
        begun=BEGUN,
        ended=BEGUN + timedelta(seconds=1.5),
        cost=Cost(0.5, 0.25, 1.8e6),
    ),
    Row(1, "failed", {"model": "convnet"}, error="OutOfMemory:\n too, large", folder="1", begun=BEGUN),
    Row(2, "pruned", {"model": "mlp", "trainer.optimizer.lr": 1e-5}, folder="2"),
    Row(3, "complete", {"model": "convnet"}, (0.95,), folder="3"),
    Row(4, "waiting", {}),
)
SWEEP = Snapshot((ACCURACY,), ROWS, 5)
FRONT = Snapshot(
    (ACCURACY, SIZE),
    (
        Row(0, "complete", {"model": "mlp"}, (0.9, 500.0), folder="0"),
        Row(1, "complete", {"model": "convnet"}, (0.8, 900.0), folder="1"),
        Row(2, "complete", {"model": "convnet"}, (0.95, 900.0), folder="2"),
    ),
)


def table(folder: Path) -> list[dict[str, str]]:
    with open(folder / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_has_a_line_per_trial_and_a_column_per_objective_and_dimension(tmp_path: Path) -> None:
    write_trials(tmp_path, SWEEP, Tariff(hour=36))
    lines = table(tmp_path)
    assert lines[0] == {
        "number": "0",
        "state": "complete",
        "valid/accuracy": "0.9",
        "model": "mlp",
        "trainer.optimizer.lr": "0.003",
        "data.augment.flip": "true",
        "model.norm": "null",
        "seconds": "1.5",
        "worker_seconds": "0.5",
        "gpu_seconds": "0.25",
        "kwh": "0.5",
        "money": "0.005",
        "worker": "node7-1",
        "begun": "2026-01-02T03:04:05.000",
        "ended": "2026-01-02T03:04:06.500",
        "error": "",
    }
    assert [line["state"] for line in lines] == ["complete", "failed", "pruned", "complete", "waiting"]
    assert (lines[3]["worker_seconds"], lines[3]["money"]) == ("", "")
    assert lines[1]["error"] == "OutOfMemory: too, large"
    assert (lines[3]["valid/accuracy"], lines[3]["trainer.optimizer.lr"]) == ("0.95", "")


def test_a_sweep_without_a_trial_has_a_table_of_titles_alone(tmp_path: Path) -> None:
    write_trials(tmp_path, Snapshot((ACCURACY,), ()), Tariff())
    titles = (
        "number,state,valid/accuracy,seconds,worker_seconds,gpu_seconds,kwh,money,worker,begun,ended,error\n"
    )
    assert (tmp_path / "trials.csv").read_text() == titles


def test_no_password_reaches_the_table_or_the_best(tmp_path: Path) -> None:
    point = {"data.extract.uri": "postgresql://me:hunter22@db/rows"}
    row = Row(0, "complete", point, (0.5,))
    failed = Row(1, "failed", error="cannot reach postgresql://me:hunter22@db/rows")
    write_trials(tmp_path, Snapshot((ACCURACY,), (row, failed)), Tariff())
    write_best(tmp_path, Snapshot((ACCURACY,), (row, failed)), lambda row: again([], [f"a.b={point}"]))
    for name in ("trials.csv", "best.yaml"):
        assert "hunter22" not in (tmp_path / name).read_text()
        assert "me:***@db" in (tmp_path / name).read_text()


def test_the_best_is_printed_with_the_command_that_runs_it_again(tmp_path: Path) -> None:
    write_best(tmp_path, SWEEP, lambda row: f"python -m harness model={row.point['model']}")
    text = (tmp_path / "best.yaml").read_text()
    assert text.startswith("# The best trial; `command` runs it again without the sweep.\n")
    assert yaml.safe_load(text) == {
        "number": 3,
        "values": {"valid/accuracy": 0.95},
        "parameters": {"model": "convnet"},
        "folder": "3",
        "command": "python -m harness model=convnet",
    }


def test_of_several_objectives_the_whole_front_is_printed(tmp_path: Path) -> None:
    write_best(tmp_path, FRONT, lambda row: f"run {row.number}")
    entries = yaml.safe_load((tmp_path / "best.yaml").read_text())
    assert [(entry["number"], entry["command"]) for entry in entries] == [(0, "run 0"), (2, "run 2")]
    assert entries[1]["values"] == {"valid/accuracy": 0.95, "model/parameters": 900.0}


def test_where_no_trial_is_complete_there_is_no_best(tmp_path: Path) -> None:
    (tmp_path / "best.yaml").write_text("of an earlier process")
    none = Snapshot((ACCURACY,), ROWS[1:3])
    assert write_best(tmp_path, none, lambda row: "") is None
    assert not (tmp_path / "best.yaml").exists()


def test_the_command_leaves_out_settings_of_the_sweep() -> None:
    fixed = [
        "sweep=asha",
        "sweep.trials=30",
        "+sweep.sampler.seed=1",
        "sweep/pruner=none",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
        "hydra.sweep.dir=here",
        "resume=auto",
        "resume.allow=[a]",
        "split=group_kfold",
        "+tags.sweeping=a b",
        "~model.norm",
    ]
    words = ["model=mlp", "trainer.optimizer.lr=0.003"]
    assert again(fixed, words) == (
        "python -m harness split=group_kfold '+tags.sweeping=a b' '~model.norm' "
        "model=mlp trainer.optimizer.lr=0.003"
    )


def test_the_result_names_the_best_and_counts_the_rest(tmp_path: Path) -> None:
    (tmp_path / "3").mkdir()
    Result(status="finished", scores={"valid/accuracy": summarise([0.95])}).write(
        tmp_path / "3" / "result.json"
    )
    result = sum_up(tmp_path, SWEEP, "interrupted", 12.5, "python -m harness -m", "stopped")
    replace(result, mlflow={"run_id": "f00"}).write(tmp_path)
    found = json.loads((tmp_path / "result.json").read_text())
    assert found == {
        "schema": 1,
        "status": "interrupted",
        "objective": {"name": "valid/accuracy", "direction": "maximize", "value": 0.95},
        "trials": {"waiting": 1, "running": 0, "complete": 2, "frozen": 0, "pruned": 1, "failed": 1},
        "best": {"number": 3, "value": 0.95, "folder": "3"},
        "recommended": {"number": 3, "value": 0.95, "folder": "3"},
        "scores": {"valid/accuracy": {"mean": 0.95, "std": None, "ci95": None, "folds": [0.95]}},
        "selection": None,
        "earlier": [],
        "why": [],
        "cost": None,
        "remaining": None,
        "seconds": 12.5,
        "mlflow": {"run_id": "f00"},
        "command": "python -m harness -m",
        "error": "stopped",
    }


def test_the_scores_are_those_of_the_recommended_trial(tmp_path: Path) -> None:
    worse = next(row for row in SWEEP.rows if row.state == "complete" and row.number != 3)
    (tmp_path / worse.folder).mkdir()
    Result(status="finished", scores={"test/accuracy": summarise([0.875])}).write(
        tmp_path / worse.folder / "result.json"
    )
    result = sum_up(tmp_path, SWEEP, "finished", 1.0, "", recommended=worse)
    assert result.best == {"number": 3, "value": 0.95, "folder": "3"}
    assert result.recommended == {
        "number": worse.number,
        "value": (worse.values or ())[0],
        "folder": worse.folder,
    }
    assert result.scores["test/accuracy"]["mean"] == 0.875


def test_the_result_of_several_objectives_lists_them_and_the_front(tmp_path: Path) -> None:
    sum_up(tmp_path, FRONT, "finished", 1.0, "").write(tmp_path)
    found = json.loads((tmp_path / "result.json").read_text())
    assert "objective" not in found
    assert [entry["value"] for entry in found["objectives"]] == [0.95, 500.0]
    assert found["recommended"] is None
    assert found["best"] == [
        {"number": 0, "values": [0.9, 500.0], "folder": "0"},
        {"number": 2, "values": [0.95, 900.0], "folder": "2"},
    ]


def test_a_sweep_in_which_all_failed_has_a_result_too(tmp_path: Path) -> None:
    result = sum_up(tmp_path, Snapshot((ACCURACY,), (ROWS[1],)), "failed", 1.0, "", "no trial is complete")
    assert (result.best, result.scores, result.objective) == (
        None,
        {},
        {"name": "valid/accuracy", "direction": "maximize", "value": None},
    )


def test_the_scores_of_repeats_are_summed_up_over_their_means(tmp_path: Path) -> None:
    for seed, value in ((0, 0.8), (1, 0.9)):
        home = tmp_path / "0" / f"seed-{seed}"
        home.mkdir(parents=True)
        scores = {"valid/accuracy": summarise([value, value]), "test/auroc": summarise([math.nan])}
        Result(status="finished", scores=scores).write(home / "result.json")
    found = scores_of(tmp_path, ROWS[0])
    assert found["valid/accuracy"]["folds"] == [0.8, 0.9]
    assert math.isclose(found["valid/accuracy"]["mean"], 0.85)
    assert math.isnan(found["test/auroc"]["mean"])


def test_a_trial_without_files_here_has_no_scores(tmp_path: Path) -> None:
    assert scores_of(tmp_path, ROWS[0]) == {}
