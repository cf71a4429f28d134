from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import UserError
from harness.runs.journal import Journal
from harness.runs.tracking_state import State
from harness.tracking import sync_runs
from harness.tracking.sync_runs import leftovers, sync, unsent
from harness.tracking.upload_task import lock


def write(folder: Path, end: bool = True, dead: bool = False, uri: str | None = None) -> Path:
    """A run's folder as a run leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder)
    journal.start("", folder.name)
    if end:
        journal.end("", "finished")
    if dead:
        path = folder / "journal.jsonl"
        path.write_text(path.read_text().replace(f'"pid":{os.getpid()}', '"pid":4194305'))
    if uri is not None:
        State(uri, "digits").save(folder)
    return folder


def statuses(client: Any) -> dict[str, str]:
    return {run.info.run_name: run.info.status for run in client.search_runs(["1"])}


def test_all_unsent_runs_below_the_outputs_folder_are_sent(outputs: Path, uri: str, client: Any) -> None:
    done = write(outputs / "runs" / "done", uri=uri)
    trial = write(outputs / "sweeps" / "s-0" / "3", uri=uri)
    (outputs / "sweeps" / "s-0" / "best.yaml").write_text("")
    killed = write(outputs / "runs" / "killed", end=False, dead=True, uri=uri)
    alive = write(outputs / "runs" / "alive", end=False, uri=uri)
    write(outputs / "runs" / "untracked")
    assert unsent(outputs) == [alive, done, killed, trial]
    assert sync(None, outputs) == [
        f"{alive}: still running; its own process sends it.",
        f"{done}: sent to {uri}.",
        f"{killed}: sent, and marked as KILLED: its process had died before its end.",
        f"{trial}: sent to {uri}.",
    ]
    assert statuses(client) == {"done": "FINISHED", "3": "FINISHED", "killed": "KILLED"}
    assert unsent(outputs) == [alive]
    Journal(alive).end("", "finished")
    sync(None, outputs)
    assert sync(None, outputs) == ["nothing to send."]


def test_the_repeats_of_a_trial_are_found_as_well(outputs: Path, uri: str) -> None:
    repeat = write(outputs / "sweeps" / "s-0" / "3" / "seed-1", uri=uri)
    assert unsent(outputs) == [repeat]


def test_a_run_is_found_by_its_name(outputs: Path, uri: str, client: Any) -> None:
    write(outputs / "runs" / "a", uri=uri)
    assert sync("a", outputs) == [f"{outputs / 'runs' / 'a'}: sent to {uri}."]
    assert statuses(client) == {"a": "FINISHED"}


@pytest.mark.parametrize(
    ("word", "place"),
    [
        ("last", "runs/new"),
        ("new", "runs/new"),
        ("s-0/3", "sweeps/s-0/3"),
        ("s", "sweeps/s-0"),
        ("s-0", "sweeps/s-0"),
        ("outputs/runs/old", "runs/old"),
        ("old/fold-1", "runs/old"),
    ],
)
def test_a_run_is_named_as_for_other_verbs(
    word: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outputs = tmp_path / "outputs"
    for number, name in enumerate(("runs/old", "sweeps/s-0", "sweeps/s-0/3", "runs/new")):
        folder = write(outputs / name)
        journal = folder / "journal.jsonl"
        journal.write_text(journal.read_text().replace('"time":', f'"time":{number}'))
        if name != "sweeps/s-0":
            (folder / "config.yaml").touch()
    (outputs / "runs/old/fold-1").mkdir()
    assert sync_runs._find(word, outputs) == outputs / place


def test_another_address_gets_the_whole_run(outputs: Path, uri: str, client: Any) -> None:
    folder = write(outputs / "runs" / "a", uri="http://127.0.0.1:9")
    sync(folder, outputs, uri=uri)
    assert statuses(client) == {"a": "FINISHED"}
    state = State.load(folder)
    assert state is not None
    assert (state.uri, state.sent(folder)) == (uri, True)


def test_an_untracked_run_is_sent_to_the_given_address(outputs: Path, uri: str, client: Any) -> None:
    folder = write(outputs / "runs" / "a")
    with pytest.raises(
        UserError, match="was not tracked, so that its address is not known; give it with --uri"
    ):
        sync(folder, outputs)
    sync(folder, outputs, uri=uri, experiment="late")
    assert client.get_experiment_by_name("late") is not None
    assert statuses(client) == {"a": "FINISHED"}


def test_a_password_must_be_given_again(outputs: Path) -> None:
    write(outputs / "runs" / "a", uri="http://me:***@host")
    for target in ("a", None):
        with pytest.raises(
            UserError, match=r"goes to http://me:\*\*\*@host, and passwords are never stored; gi"
        ):
            sync(target, outputs)


def test_a_run_that_lacks_its_password_keeps_no_other_back(outputs: Path, uri: str, client: Any) -> None:
    write(outputs / "runs" / "a", uri="http://me:***@host")
    write(outputs / "runs" / "b", uri=uri)
    with pytest.raises(UserError, match=r"a goes to http://me:\*\*\*@host"):
        sync(None, outputs)
    assert statuses(client) == {"b": "FINISHED"}


def test_a_server_that_cannot_be_reached_is_reported(outputs: Path) -> None:
    folder = write(outputs / "runs" / "a", uri="http://127.0.0.1:9")
    with pytest.raises(
        UserError, match=r"1 of 1 runs could not be sent: MLflow at http://127.0.0.1:9: it does n"
    ):
        sync(folder, outputs)


def test_a_folder_that_is_no_run_is_refused(outputs: Path) -> None:
    with pytest.raises(UserError, match=r"^nowhere is no run below .*; it has no runs yet"):
        sync("nowhere", outputs)


def test_a_run_that_another_process_is_sending_is_left_to_it(outputs: Path, uri: str) -> None:
    folder = write(outputs / "runs" / "a", uri=uri)
    with lock(folder):
        assert sync(folder, outputs) == [f"{folder}: another process is sending it."]


def test_a_run_of_another_machine_is_left_open(outputs: Path, uri: str, client: Any) -> None:
    folder = write(outputs / "runs" / "a", end=False, uri=uri)
    path = folder / "journal.jsonl"
    path.write_text(path.read_text().replace('"host":"', '"host":"another-'))
    (line,) = sync(folder, outputs)
    assert line.endswith("sent so far; it has no end, and whether it still runs is known on its own machine.")
    assert statuses(client) == {"a": "RUNNING"}


def test_what_mlflow_refused_is_in_the_line(outputs: Path, uri: str) -> None:
    folder = write(outputs / "runs" / "a", end=False, uri=uri)
    journal = Journal(folder)
    journal.artifact("", "gone.png")
    journal.end("", "finished")
    (line,) = sync(folder, outputs)
    assert line.endswith(" MLflow refused artifact of run '': gone.png is no longer in the run's folder.")


def test_the_uploader_sends_what_is_left_beside_a_damaged_run_and_the_files_of_a_sweep(
    outputs: Path, uri: str, client: Any
) -> None:
    (write(outputs / "runs" / "damaged", uri=uri) / "tracking.json").write_text("{")
    trial = write(outputs / "sweeps" / "s-0" / "3", uri=uri)
    (outputs / "sweeps" / "s-0" / "best.yaml").write_text("")
    assert list(leftovers(uri, outputs)) == [None, None]
    assert statuses(client) == {"3": "FINISHED"}
    state = State.load(trial)
    assert state is not None
    assert state.sent(trial)
