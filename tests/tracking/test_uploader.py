from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.runs.journal import Journal
from harness.runs.tracking_state import State
from harness.tracking.mlflow import Mlflow

WRITER = """
import sys, time
from pathlib import Path
from harness.runs.journal import Journal
from harness.tracking.mlflow import Mlflow

outputs, folder = map(Path, sys.argv[1:])
tracking = Mlflow(uri=None, experiment="digits", outputs=str(outputs), patience=60.0)
journal = Journal(folder)
tracking.follow(folder)
journal.start("", "a")
journal.start("fold-0", "fold 0", parent="")
journal.metrics("fold-0", 1, {"loss": 0.5})
tracking.link(folder)
journal.metrics("fold-0", 2, {"loss": 0.25})
print("ready", flush=True)
time.sleep(600)
"""

pytestmark = pytest.mark.slow


def writer(outputs: Path, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(outputs), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def statuses(client: Any) -> dict[str, str]:
    return {run.info.run_name: run.info.status for run in client.search_runs(["1"])}


def test_a_run_killed_with_9_is_marked_as_killed_and_sent_to_its_last_line(
    outputs: Path, folder: Path, client: Any, eventually: Any
) -> None:
    process = writer(outputs, folder)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    eventually(lambda: State.load(folder).sent(folder))  # type: ignore[union-attr]
    assert statuses(client) == {"a": "KILLED", "fold 0": "KILLED"}
    state = State.load(folder)
    assert state is not None
    history = client.get_metric_history(state.runs["fold-0"], "loss")
    assert [(point.step, point.value) for point in history] == [(1, 0.5), (2, 0.25)]


def test_the_next_start_marks_runs_that_died_with_their_uploader(
    outputs: Path, client: Any, eventually: Any
) -> None:
    """As after a power cut: the journal is there, and nobody was left to mark it."""
    dead, untracked, alive = (outputs / "runs" / name for name in ("dead", "untracked", "alive"))
    for folder in (dead, untracked, alive):
        folder.mkdir(parents=True)
        Journal(folder).start("", folder.name)
    for folder in (dead, untracked):
        path = folder / "journal.jsonl"
        path.write_text(path.read_text().replace(f'"pid":{os.getpid()}', '"pid":4194305'))
    for folder in (dead, alive):
        State(f"sqlite:///{outputs}/mlflow.db", "digits").save(folder)
    new = outputs / "runs" / "new"
    new.mkdir()
    tracking, journal = (
        Mlflow(uri=None, experiment="digits", outputs=str(outputs), patience=60.0),
        Journal(new),
    )
    # A uploader of its own: the one of this process has done its chores by now.
    from harness.tracking import mlflow as tracking_mlflow

    tracking_mlflow.dismiss(20)
    tracking.follow(new)
    journal.start("", "new")
    journal.end("", "finished")
    assert tracking.settle(new).sent
    eventually(lambda: State.load(dead).sent(dead))  # type: ignore[union-attr]
    assert statuses(client) == {"new": "FINISHED", "dead": "KILLED"}


def test_ctrl_c_ends_the_training_and_not_the_uploader(outputs: Path, folder: Path, client: Any) -> None:
    tracking, journal = (
        Mlflow(uri=None, experiment="digits", outputs=str(outputs), patience=60.0),
        Journal(folder),
    )
    tracking.follow(folder)
    journal.start("", "a")
    tracking.link(folder)
    from harness.tracking import mlflow as tracking_mlflow

    assert tracking_mlflow._uploader is not None
    pid = tracking_mlflow._uploader._process.pid
    assert os.getsid(pid) == pid != os.getsid(0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(pid, number)
    journal.end("", "interrupted")
    assert tracking.settle(folder).sent
    assert statuses(client) == {"a": "KILLED"}
