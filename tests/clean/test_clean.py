"""What `clean` chooses, what it spares, and that it removes nothing else."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.clean.outputs_entry import run_entry
from harness.clean.protected_entries import spared
from harness.clean.removal_summary import lines
from harness.clean.remove_entries import remove
from harness.clean.select_entries import Choice, chosen
from harness.core.errors import UserError
from harness.runs.journal import Journal
from harness.runs.run_result import summarise
from harness.runs.stored_run import StoredRun
from harness.runs.tracking_state import State

DAY = 24 * 3600 * 1000


def made(folder: Path, days: float = 0, accuracy: float = 0.5, status: str = "finished", **tags: str) -> Path:
    """A run that ended so many days ago; of status "running" this process is still at it."""
    folder.mkdir(parents=True)
    journal = Journal(folder)
    journal.start("", "name", tags=tags)
    if status != "running":
        journal.end("", status)  # type: ignore[arg-type]
        scores = {"test/accuracy": summarise([accuracy]), "test/loss": summarise([1 - accuracy])}
        result = {"schema": 1, "status": status, "scores": scores}
        (folder / "result.json").write_text(json.dumps(result))
    journal.close()
    then = time.time_ns() // 1_000_000 - int(days * DAY)
    path = folder / "journal.jsonl"
    events = [{**json.loads(line), "time": then} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    (folder / "config.yaml").write_text("seed: 0\n")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "epoch-0001.pt").write_bytes(b"x" * 1000)
    return folder


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Runs a (1 day old, .9), b (10 days, .7) and c (40 days, .8, failed), and a sweep, 20 days old."""
    root = tmp_path / "outputs"
    made(root / "runs" / "a", 1, 0.9)
    made(root / "runs" / "b", 10, 0.7)
    made(root / "runs" / "c", 40, 0.8, "failed")
    for number in range(3):
        made(root / "sweeps" / "s-0" / str(number), 20, 0.6 + number / 100)
    result = {"status": "finished", "best": {"number": 2}}
    (root / "sweeps" / "s-0" / "result.json").write_text(json.dumps(result))
    return root


def names(outputs: Path, choice: Choice) -> list[str]:
    return [str(entry.path.relative_to(outputs)) for entry in chosen(outputs, choice)]


def test_by_age_status_and_rank(outputs: Path) -> None:
    assert names(outputs, Choice(("runs",), older=15 * DAY)) == ["runs/c", "sweeps/s-0"]
    assert names(outputs, Choice(("runs",), states=("failed",))) == ["runs/c"]
    assert names(outputs, Choice(("runs",), keep=2)) == ["runs/c", "sweeps/s-0"]
    assert names(outputs, Choice(("runs",), keep=2, by="test/accuracy")) == ["runs/b", "sweeps/s-0"]
    assert names(outputs, Choice(("runs",), keep=2, by="test/loss")) == ["runs/b", "sweeps/s-0"]
    assert names(outputs, Choice(("runs",), keep=1, by="test/accuracy", older=15 * DAY)) == [
        "runs/c",
        "sweeps/s-0",
    ]


def test_of_a_sweep_all_trials_but_the_best(outputs: Path) -> None:
    assert names(outputs, Choice(("trials",))) == ["sweeps/s-0/0", "sweeps/s-0/1"]
    (outputs / "sweeps" / "s-0" / "result.json").write_text(
        '{"status": "interrupted", "best": {"number": 2}}'
    )
    assert names(outputs, Choice(("trials",))) == []


def test_without_options_only_unused_files_are_chosen(outputs: Path) -> None:
    (outputs / "runs" / "empty").mkdir()
    old, fresh, entry = (outputs / "cache" / name for name in (".old", ".fresh", "entry"))
    for folder in (old, fresh, entry):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    os.utime(entry, (0, 0))
    assert names(outputs, Choice()) == [
        "runs/a/checkpoints",
        "runs/b/checkpoints",
        *(f"sweeps/s-0/{number}/checkpoints" for number in range(3)),
        "cache/.old",
        "runs/empty",
    ]
    assert names(outputs, Choice(("cache",), older=DAY)) == ["cache/.old", "cache/entry"]


def test_running_registered_and_reused_runs_stay(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(outputs / "runs" / "at-work", 0, status="running")
    made(outputs / "runs" / "child", 0, **{"weights.file": str(outputs / "runs" / "b" / "model" / "w")})
    State("sqlite:///here.db", "e", runs={"": "id-a"}).save(outputs / "runs" / "a")
    State("sqlite:///here.db", "e", models={":model": "m-c"}).save(outputs / "runs" / "c")
    asked = []
    monkeypatch.setattr(
        "harness.tracking.mlflow_removal.registered", lambda uri: asked.append(uri) or {"id-a", "m-c"}
    )
    found = chosen(outputs, Choice(("runs",), keep=0))
    kept = spared(found, outputs, None)
    assert {path.name: why for path, why in kept.items()} == {
        "at-work": "it is running",
        "b": "another run started from its weights",
        "a": "its model is registered",
        "c": "its model is registered",
    }
    assert asked == ["sqlite:///here.db"]


def test_a_registry_that_does_not_answer_removes_nothing(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    State("http://gone:1", "e", runs={"": "id-a"}).save(outputs / "runs" / "a")

    def away(uri: str) -> set[str]:
        raise ConnectionError("refused")

    monkeypatch.setattr("harness.tracking.mlflow_removal.registered", away)
    with pytest.raises(UserError, match="listed the registered models, and http://gone:1 did not: refused"):
        spared([run_entry(StoredRun(outputs / "runs" / "a"))], outputs, None)


def test_a_password_that_is_not_stored_is_required(outputs: Path) -> None:
    State("http://me:***@host", "e", runs={"": "id-a"}).save(outputs / "runs" / "a")
    with pytest.raises(UserError, match="passwords are never stored; give the whole address with --uri"):
        spared([run_entry(StoredRun(outputs / "runs" / "a"))], outputs, None)


def test_no_link_is_followed_and_nothing_outside_is_touched(outputs: Path, tmp_path: Path) -> None:
    outside = made(tmp_path / "precious" / "run", 99)
    (outputs / "runs" / "link").symlink_to(outside)
    (outputs / "runs" / "c" / "link").symlink_to(outside)
    (outputs / "cache").symlink_to(tmp_path / "precious")
    assert "runs/link" not in names(outputs, Choice(("runs", "cache"), older=0))
    assert names(outputs, Choice(("cache",))) == []
    assert remove(run_entry(StoredRun(outputs / "runs" / "c")), outputs)
    assert not (outputs / "runs" / "c").exists()
    assert (outside / "result.json").exists()
    shutil.move(outputs / "runs", tmp_path / "moved")
    (outputs / "runs").symlink_to(tmp_path / "moved")
    with pytest.raises(UserError, match=r"leads out of .* by a link, and nothing outside is removed"):
        remove(run_entry(StoredRun(outputs / "runs" / "a")), outputs)
    assert (tmp_path / "moved" / "a").exists()


def test_after_a_stop_each_folder_is_whole_or_removed(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(path: Path) -> None:
        raise KeyboardInterrupt

    entry = run_entry(StoredRun(outputs / "runs" / "a"))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", stopped)
        with pytest.raises(KeyboardInterrupt):
            remove(entry, outputs)
    assert not (outputs / "runs" / "a").exists()
    (rest,) = [entry for entry in chosen(outputs, Choice()) if entry.kind == "rest"]
    assert remove(rest, outputs)
    assert not (outputs / ".removed").exists()


def test_a_run_that_began_meanwhile_stays(outputs: Path) -> None:
    entry = run_entry(StoredRun(outputs / "runs" / "a"))
    journal = Journal(outputs / "runs" / "a")
    journal.start("", "again")
    assert not remove(entry, outputs)
    assert (outputs / "runs" / "a").exists()
    journal.close()


def test_a_line_shows_age_and_size(outputs: Path) -> None:
    found = [entry for entry in chosen(outputs, Choice()) if entry.path.parent.name == "b"]
    os.utime(found[0].path, (time.time() - 3 * 86400 - 60,) * 2)
    again = [entry for entry in chosen(outputs, Choice()) if entry.path.parent.name == "b"]
    printed = list(lines(again, {outputs / "runs" / "a": "its model is registered"}, outputs))
    assert printed[0].split() == ["checkpoints", "runs/b/checkpoints", "3", "d", "1.0", "kB"]
    assert printed[1:] == ["stays  runs/a: its model is registered", "1 folder, 1.0 kB"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            {"what": ("run",)},
            "--what takes runs, checkpoints, cache, trials, mlflow, got run; did you mean runs",
        ),
        (
            {"what": ("runs",)},
            "--what runs would remove every run; say which with --older, --keep or --status",
        ),
        (
            {"what": ("mlflow",)},
            "--what mlflow removes the MLflow runs of what goes besides; add runs or trials",
        ),
        ({"states": ("done",)}, "--status takes finished, pruned, failed, interrupted, got done"),
        ({"keep": -1}, "--keep must be 0 or more runs, got -1"),
        ({"by": "test/accuracy"}, "--by test/accuracy says by which score runs are kept; say how many with"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_a_choice_that_means_nothing_is_refused(words: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Choice(**words)


def test_a_score_that_no_run_has_is_refused_with_the_near_ones(outputs: Path) -> None:
    with pytest.raises(UserError, match=r"no run has the score test/acuracy, .* did you mean test/accuracy"):
        chosen(outputs, Choice(("runs",), keep=1, by="test/acuracy"))


@pytest.mark.filterwarnings("ignore:The ``noload``")  # of MLflow's own query
def test_a_registered_model_is_known_and_a_run_deleted(tmp_path: Path) -> None:
    from harness.tracking.mlflow_removal import delete, registered
    from harness.tracking.mlflow_store import Store

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert registered(uri) == set()
    store = Store(uri, "e", tmp_path)
    first, second = (store.client.create_run(store.experiment_id).info.run_id for _ in range(2))
    store.client.create_registered_model("digits")
    store.client.create_model_version("digits", source=str(tmp_path), run_id=first)
    assert registered(uri) == {first}
    assert delete(uri, [second, "0" * 32]) == 1
    assert [run.info.run_id for run in store.client.search_runs([store.experiment_id])] == [first]


def test_the_verb_lists_asks_and_removes(
    outputs: Path, run_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("clean", "--outputs", str(outputs), "--older", "15d")
    refused = run_cli(*asked)
    assert refused.status == 2
    assert refused.err == (
        "error: clean asks before it removes, and standard input is no terminal; add --yes, or --dry to "
        "look.\n"
    )
    dry = run_cli(*asked, "--dry")
    assert dry.status == 0
    assert dry.out.splitlines()[-1] == "nothing was removed (--dry)."
    assert (outputs / "runs" / "c").exists()
    done = run_cli(*asked, "--yes")
    assert done.out.splitlines()[-1] == "2 folders removed."
    assert sorted(path.name for path in (outputs / "runs").iterdir()) == ["a", "b"]
    assert not (outputs / "sweeps" / "s-0").exists()
    assert run_cli(*asked, "--yes").out == "nothing to remove.\n"
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: "n")
    assert run_cli("clean", "--outputs", str(outputs)).out.splitlines()[-1] == "nothing was removed."
    assert (outputs / "runs" / "a" / "checkpoints").exists()


def test_the_door_refuses_an_age_it_cannot_read_and_a_folder_that_is_not_there(
    run_cli: Any, here: Path
) -> None:
    assert "--older takes an age such as 45m, 12h, 30d or 8w, got 3y" in run_cli("clean", "--older", "3y").err
    answer = run_cli("clean", "--outputs", "nowhere")
    assert answer.status == 2
    assert f"there is none at {here / 'nowhere'}" in answer.err


def test_an_evaluation_is_not_counted_and_stays_with_its_run(outputs: Path) -> None:
    of = {"evaluated.run": "x", "evaluated.folder": str((outputs / "runs" / "a").absolute())}
    made(outputs / "runs" / "scored", 0, 0.99, **of)
    of["evaluated.folder"] = str((outputs / "sweeps" / "s-0" / "2").absolute())
    made(outputs / "runs" / "sweeps-best", 0, 0.98, **of)
    for choice, stay in (
        (Choice(("runs",), keep=1, by="test/accuracy"), {"a", "scored"}),
        (Choice(("runs",), keep=1), {"a", "scored"}),
    ):
        gone = {entry.path.name for entry in chosen(outputs, choice)}
        assert gone == {"a", "b", "c", "s-0", "scored", "sweeps-best"} - stay
    made(outputs / "runs" / "z", -1, 0.1)
    gone = {entry.path.name for entry in chosen(outputs, Choice(("runs",), keep=1))}
    assert {"scored", "sweeps-best", "a"} <= gone
