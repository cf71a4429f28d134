from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.runs.journal import read
from harness.runs.run_result import summarise
from harness.sweep.control.mlflow_parent import MlflowParentRun
from harness.sweep.report.sweep_result import sum_up
from harness.sweep.study.snapshot import Objective, Row, Snapshot
from harness.tracking.none import Untracked

BEGUN = datetime(2026, 1, 2)
ACCURACY = Objective("valid/accuracy", "maximize")
SIZE = Objective("model/parameters", "minimize")
SPACE = {"trainer.optimizer.lr": "0.0001 to 0.1 (log)", "model": "mlp, convnet"}
SETTINGS = {"trials": 4, "hours": None, "sampler": {"_target_": "TPE", "seed": 0}, "space": {"a": "1,2"}}


class Followed(Untracked):
    """Tracking that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def follow(self, folder: Path) -> None:
        self.asked.append("follow")

    def settle(self, folder: Path, timeout: float | None = None) -> None:
        self.asked.append("settle")


def row(number: int, state: str = "complete", *values: float, **more: Any) -> Row:
    ended = {"ended": BEGUN + timedelta(seconds=number), "values": values or None}
    return Row(number, state, **{"point": {"model": "mlp"}, **ended, **more})  # type: ignore[arg-type]


def study(*rows: Row, objectives: tuple[Objective, ...] = (ACCURACY,)) -> Snapshot:
    return Snapshot(objectives, rows, 4)


def opened(folder: Path, settings: dict[str, Any] = SETTINGS) -> MlflowParentRun:
    parent = MlflowParentRun(folder, "lr-1", Followed())
    parent.start(SPACE, settings, {"command": "python -m harness -m"})
    return parent


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [event for event in read(folder)[0] if event["event"] == kind]


def points(folder: Path) -> list[tuple[int, dict[str, float]]]:
    return [(event["step"], event["values"]) for event in events(folder, "metrics")]


def test_the_start_holds_the_space_the_settings_and_where_it_comes_from(tmp_path: Path) -> None:
    opened(tmp_path)
    (start,) = events(tmp_path, "start")
    assert (start["run"], start["name"], start["parent"]) == ("", "lr-1", None)
    assert start["params"] == {
        "space.trainer.optimizer.lr": "0.0001 to 0.1 (log)",
        "space.model": "mlp, convnet",
        "sweep.trials": "4",
        "sweep.hours": "None",
        "sweep.sampler._target_": "TPE",
        "sweep.sampler.seed": "0",
    }
    tags = start["tags"]
    assert (tags["sweep"], tags["study"], tags["sweep.folder"]) == ("true", "lr-1", str(tmp_path))
    assert (tags["command"], tags["budget.trials"]) == ("python -m harness -m", "4")
    assert "budget.hours" not in tags
    assert {"git.commit", "git.branch", "git.dirty"} <= set(tags)


def test_each_trial_that_ends_is_a_point_of_the_best_so_far_and_the_counts(tmp_path: Path) -> None:
    parent = opened(tmp_path)
    failed, first, pruned = row(0, "failed"), row(1, "complete", 0.8), row(2, "pruned")
    parent.update(study(failed, row(1, "running", ended=None)))
    parent.update(study(failed, row(1, "running", ended=None)))
    parent.update(study(failed, first, pruned, row(3, "complete", 0.7)))
    counts = ["trials/complete", "trials/pruned", "trials/failed"]
    assert [step for step, _ in points(tmp_path)] == [1, 2, 3, 4]
    assert [[values[name] for name in counts] for _, values in points(tmp_path)] == [
        [0, 0, 1],
        [1, 0, 1],
        [1, 1, 1],
        [2, 1, 1],
    ]
    assert [values.get("best/valid/accuracy") for _, values in points(tmp_path)] == [None, 0.8, 0.8, 0.8]


def test_a_trial_that_breaks_a_constraint_is_counted_and_not_the_best(tmp_path: Path) -> None:
    parent = opened(tmp_path)
    parent.update(study(row(0, "complete", 0.9, feasible=False), row(1, "complete", 0.5)))
    assert [values.get("best/valid/accuracy") for _, values in points(tmp_path)] == [None, 0.5]


def test_of_several_objectives_each_has_a_best_so_far(tmp_path: Path) -> None:
    parent = opened(tmp_path)
    rows = (row(0, "complete", 0.8, 100.0), row(1, "complete", 0.9, 300.0))
    snapshot = study(*rows, objectives=(ACCURACY, SIZE))
    parent.update(snapshot)
    parent.close(snapshot, sum_up(tmp_path, snapshot, "finished", 1.0, ""))
    best = [
        (values["best/valid/accuracy"], values["best/model/parameters"]) for _, values in points(tmp_path)
    ]
    assert best == [(0.8, 100.0), (0.9, 100.0)]
    assert events(tmp_path, "tags")[0]["tags"] == {"best.front": "0, 1"}


def test_the_end_sends_the_best_trial_and_the_files(tmp_path: Path) -> None:
    parent = opened(tmp_path)
    snapshot = study(row(0, "complete", 0.8), row(1, "complete", 0.9, point={"lr": 0.01}))
    for name in ("trials.csv", "best.yaml", "report.html", "result.json"):
        (tmp_path / name).write_text("x")
    scores = {"valid/accuracy": summarise([0.9]), "test/accuracy": summarise([0.85])}
    result = replace(sum_up(tmp_path / "nowhere", snapshot, "finished", 1.0, ""), scores=scores)
    parent.close(snapshot, result)
    best = {"best.number": "1", "best.model": "-", "best.lr": "0.01"}
    assert events(tmp_path, "tags")[0]["tags"] == {**best, "recommended.number": "1"}
    assert points(tmp_path)[-1] == (2, {"valid/accuracy": 0.9, "test/accuracy": 0.85})
    files = [event["path"] for event in events(tmp_path, "artifact")]
    assert files == ["trials.csv", "best.yaml", "report.html", "result.json"]
    assert read(tmp_path)[0][-1]["event"] == "end"
    assert events(tmp_path, "end")[0]["status"] == "finished"
    assert parent._tracking.asked == ["follow", "settle"]  # type: ignore[attr-defined]


def test_a_sweep_that_continues_doubles_no_point(tmp_path: Path) -> None:
    parent = opened(tmp_path)
    half = study(row(0, "complete", 0.8), row(1, "failed"))
    parent.update(half)
    parent.close(half, sum_up(tmp_path, half, "interrupted", 1.0, "", "stopped"))
    parent = opened(tmp_path)
    whole = study(*half.rows, row(2, "complete", 0.9))
    parent.update(half)
    parent.update(whole)
    assert [step for step, _ in points(tmp_path)] == [1, 2, 3]
    assert points(tmp_path)[-1][1] == {
        "best/valid/accuracy": 0.9,
        "trials/complete": 2,
        "trials/pruned": 0,
        "trials/failed": 1,
    }
    assert len(events(tmp_path, "start")) == 2


def test_a_second_command_does_not_report_until_the_first_has_ended(tmp_path: Path) -> None:
    first, second = opened(tmp_path), opened(tmp_path)
    assert (first.writes, second.writes) == (True, False)
    half = study(row(0, "complete", 0.8))
    first.update(half)
    second.update(half)
    assert second.link() is None
    assert len(points(tmp_path)) == 1
    first.close(half, sum_up(tmp_path, half, "interrupted", 1.0, "", "stopped"))
    second.update(study(*half.rows, row(1, "complete", 0.9)))
    assert second.writes
    assert [step for step, _ in points(tmp_path)] == [1, 2]


def test_a_parent_run_that_another_command_finished_is_not_changed(tmp_path: Path) -> None:
    first, second = opened(tmp_path), opened(tmp_path)
    snapshot = study(row(0, "complete", 0.8))
    result = sum_up(tmp_path, snapshot, "finished", 1.0, "")
    first.close(snapshot, result)
    before = (tmp_path / "journal.jsonl").read_bytes()
    second.update(snapshot)
    assert second.close(snapshot, result) is None
    assert (tmp_path / "journal.jsonl").read_bytes() == before


def test_an_extended_sweep_continues_in_the_same_journal(tmp_path: Path) -> None:
    parent = opened(tmp_path)
    snapshot = study(row(0, "complete", 0.8))
    parent.close(snapshot, sum_up(tmp_path, snapshot, "finished", 1.0, ""))
    parent = opened(tmp_path, {**SETTINGS, "trials": 9})
    assert parent.writes
    assert events(tmp_path, "start")[-1]["tags"]["budget.trials"] == "9"


def test_where_nothing_can_be_claimed_a_living_writer_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(tmp_path)
    monkeypatch.setattr("harness.runs.journal.Journal.claim", lambda journal: True)
    assert not opened(tmp_path).writes
    monkeypatch.setattr("harness.runs.run_history.alive", lambda who: who["pid"] != os.getpid())
    assert opened(tmp_path).writes
