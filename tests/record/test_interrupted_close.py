"""A run or trial that a signal ends after its training, while its files are written."""

from __future__ import annotations

import json
import signal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import Interrupted
from harness.runs.journal import read

pytestmark = pytest.mark.slow  # trains whole runs

RUN = ("data/extract=iris", "trainer.epochs=2", "tracking=none", "report=false")


@pytest.fixture(params=["write_packages", "not_better"])
def interrupted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A signal comes during one of the calls that write the files; the names of those that it came in."""
    module, name, came = import_module("harness.record.run_record"), request.param, []
    original = getattr(module, name)

    def call(*args: Any) -> Any:
        if not came:
            came.append(name)
            raise Interrupted(signal.SIGINT)
        return original(*args)

    monkeypatch.setattr(module, name, call)
    return came


def ends(folder: Path) -> list[str]:
    return [event["status"] for event in read(folder)[0] if event["event"] == "end" and not event["run"]]


def test_the_resumed_run_writes_what_is_missing(run_cli: Any, here: Path, interrupted: list[str]) -> None:
    words = (*RUN, "hydra.run.dir=mine")
    assert run_cli(*words).status == 130
    assert interrupted
    before = json.loads((here / "mine/result.json").read_text())
    assert before["status"] == "interrupted"
    assert before["scores"]["test/accuracy"]["mean"] > 0
    answer = run_cli(*words, "resume=auto")
    assert answer.status == 0, answer.err
    assert "all folds are trained" in answer.out + answer.err
    after = json.loads((here / "mine/result.json").read_text())
    assert after["status"] == "finished"
    assert after["scores"]["test/accuracy"]["mean"] == before["scores"]["test/accuracy"]["mean"]
    assert ends(here / "mine") == ["interrupted", "finished"]
    assert (here / "mine/predictions.csv").exists()


def test_the_trial_is_completed_by_the_same_command(run_cli: Any, here: Path, interrupted: list[str]) -> None:
    words = ("-m", *RUN, "sweep=random", "sweep.name=s", "sweep.trials=2", "fuse=off")
    words = (*words, "trainer.optimizer.lr=interval(0.001,0.1)")
    assert run_cli(*words).status == 130
    assert interrupted
    answer = run_cli(*words)
    assert answer.status == 0, answer.out + answer.err
    (folder,) = (here / "outputs/sweeps").iterdir()
    result = json.loads((folder / "result.json").read_text())
    assert (result["status"], result["trials"]["complete"]) == ("finished", 2)
    assert ends(folder / "0")[:2] == ["interrupted", "finished"]  # the best trial ends again, with its test
