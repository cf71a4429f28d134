"""A user's callbacks within runs of the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.callbacks.run_output import RunLog
from harness.runs.journal import read
from tests.conftest import RunCli

CODE = """
class Own:
    def __init__(self, broken=False):
        self.broken, self.calls = broken, []
    def run_started(self, log):
        self.log = log
    def fold_started(self, fold):
        self.calls.append(f"started {fold.number}")
    def __call__(self, fold, progress):
        if self.broken:
            raise OSError("no mail server")
        self.calls.append(f"epoch {progress.epoch}")
        self.log.scalar("mine/steps", progress.step)
    def fold_done(self, fold, scores):
        self.calls.append(f"done {fold.number} {'test/accuracy' in scores}")
    def run_done(self, scores):
        self.log.file("\\n".join(self.calls).encode(), "calls.txt")
class Short:
    def __call__(self, progress): ...
class Other(Own):
    def run_done(self): ...
def function(fold, progress):
    print("called", progress.epoch)
def short(progress): ...
class Flag(Own):
    fold_done = True
"""
QUICK = ("data/extract=iris", "trainer.epochs=2", "trainer.device=cpu", "tracking=none", "report=false")
OWN = "+callbacks.own._target_=own_callback.Own"


@pytest.fixture(autouse=True)
def own_callback(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "own_callback.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(here))


def test_a_callback_is_called_at_each_station_and_adds_numbers_and_files(
    run_cli: RunCli, only_run: Callable[[], Path]
) -> None:
    answer = run_cli(*QUICK, OWN, "+callbacks.more._target_=own_callback.function")
    assert answer.status == 0, answer.err
    assert "called 1\n" in answer.out  # a function needs no _partial_
    folder = only_run()
    calls = (folder / "callbacks/calls.txt").read_text().splitlines()
    assert calls == ["started 0", "epoch 1", "epoch 2", "done 0 True"]
    events = read(folder)[0]
    points = [event for event in events if event["event"] == "metrics" and "mine/steps" in event["values"]]
    assert [event["step"] for event in points] == [1, 2]
    assert "callbacks/calls.txt" in [event["path"] for event in events if event["event"] == "artifact"]


@pytest.mark.parametrize(("on_error", "status", "end"), [("warn", 0, "finished"), ("fail", 1, "failed")])
def test_a_callback_that_raises_is_one_warning_or_a_failed_run(
    run_cli: RunCli, only_run: Callable[[], Path], on_error: str, status: int, end: str
) -> None:
    answer = run_cli(*QUICK, OWN, "+callbacks.own.broken=true", f"+callbacks.own.on_error={on_error}")
    assert answer.status == status
    assert (answer.out + answer.err).count("callbacks.own raised OSError: no mail server") >= 1
    assert json.loads((only_run() / "result.json").read_text())["status"] == end


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("+callbacks.own=3", "callbacks.own"),
        ("+callbacks={_target_: own_callback.Own}", "`# @package callbacks.NAME`"),
        ("+callbacks.own._target_=no_such.Callback", "callbacks.own._target_"),
        ("+callbacks.own={_target_: own_callback.Own, on_error: stop}", "callbacks.own.on_error"),
        ("+callbacks.own={_target_: own_callback.Own, colour: red}", "callbacks.own.colour"),
        ("+callbacks.own._target_=own_callback.Short", "callbacks.own must be callable as (fold, progress)"),
        ("+callbacks.own._target_=own_callback.Other", "callbacks.own.run_done must be callable as (scores)"),
        ("+callbacks.own._target_=own_callback.short", "callbacks.own must be callable as (fold, progress)"),
        (
            "+callbacks.own._target_=own_callback.Flag",
            "callbacks.own.fold_done must be callable as (fold, sc",
        ),
    ],
)
def test_a_callback_that_cannot_be_built_is_refused(run_cli: RunCli, here: Path, word: str, key: str) -> None:
    answer = run_cli(*QUICK, word)
    assert answer.status == 2
    assert key in answer.err
    assert not list(here.glob("outputs/runs/*/journal.jsonl"))


def test_a_file_stays_in_the_run_and_a_scalar_does_not_replace_a_score(tmp_path: Path) -> None:
    log = RunLog(tmp_path, lambda *point: None, lambda *file: None)
    for name in ("../out.txt", "/tmp/out.txt"):
        with pytest.raises(ValueError, match="within"):
            log.file(b"", name)
    with pytest.raises(ValueError, match="valid/"):
        log.scalar("valid/accuracy", 1.0)
