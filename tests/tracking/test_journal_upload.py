from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from harness.runs.journal import Journal, read
from harness.runs.tracking_state import State
from harness.tracking import mlflow_model
from harness.tracking.journal_upload import JournalUpload, error_line
from harness.tracking.mlflow_sender import Sender


@pytest.fixture
def feed(folder: Path, uri: str, outputs: Path) -> Any:
    """Makes a feed of the folder, as another process would after the first was killed."""
    return lambda experiment="digits": JournalUpload(folder, uri, experiment, outputs)


def runs(client: Any, experiment: str = "digits") -> dict[str, Any]:
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return {run.info.run_name: run for run in found}


def points(client: Any, run: Any, name: str) -> list[tuple[int, float]]:
    history = client.get_metric_history(run.info.run_id, name)
    return sorted((point.step, point.value) for point in history)


def test_a_study_of_folds_arrives_as_a_parent_with_children(folder: Path, feed: Any, client: Any) -> None:
    journal = Journal(folder)
    inputs = [
        {"name": "digits", "digest": "0123456789abcdef", "source": "bundled", "context": part, "rows": rows}
        for part, rows in (("train", 1437), ("valid", 180))
    ]
    journal.start("", "study", params={"lr": 0.1, "note": "x" * 7000}, tags={"seed": 0}, inputs=inputs)
    journal.start("fold-0", "fold 0", parent="")
    for step in range(3):
        journal.metrics("fold-0", step, {"train/loss": 1 / (step + 1), "f1 (é)": 0.5})
    journal.tags("", {"best": "fold-0"})
    journal.end("fold-0", "finished")
    journal.metrics("", 0, {"test/accuracy": 0.9})
    journal.end("", "finished")
    assert feed().advance(60) is True
    found = runs(client)
    parent, child = found["study"], found["fold 0"]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert points(client, child, "train/loss") == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert points(client, child, "f1 _é_") == [(0, 0.5), (1, 0.5), (2, 0.5)]
    assert points(client, parent, "test/accuracy") == [(0, 0.9)]
    assert parent.data.params["lr"] == "0.1"
    assert parent.data.params["note"] == "x" * 5999 + "…"
    tags = parent.data.tags
    assert (tags["seed"], tags["best"], tags["harness.status"]) == ("0", "fold-0", "finished")
    assert tags["mlflow.source.name"] == "harness"
    assert (parent.info.status, child.info.status) == ("FINISHED", "FINISHED")
    events = read(folder)[0]
    assert (parent.info.start_time, parent.info.end_time) == (events[0]["time"], events[-1]["time"])
    contexts = {
        tag.value: entry.dataset.digest
        for entry in parent.inputs.dataset_inputs
        for tag in entry.tags
        if tag.key == "mlflow.data.context"
    }
    assert contexts == {"train": "0123456789abcdef-train-1437", "valid": "0123456789abcdef-valid-180"}


def test_sending_everything_twice_changes_nothing(folder: Path, feed: Any, client: Any) -> None:
    journal = Journal(folder)
    part = {"name": "d", "digest": "ab", "source": "s", "context": "train", "rows": 2}
    journal.start("", "a", params={"lr": 0.1}, tags={"t": 1}, inputs=[part])
    journal.metrics("", 1, {"loss": 0.5, "nan": math.nan, "inf": math.inf})
    (folder / "plot.txt").write_text("plot")
    journal.artifact("", "plot.txt", under="plots")
    journal.end("", "finished")
    feed().advance(60)
    state = State.load(folder)
    assert state is not None
    state.offset = 0  # as if the feed had been killed before it could note how far it came
    state.save(folder)
    journal.metrics("", 2, {"loss": 0.25})  # old and new points in one call
    feed().advance(60)
    (run,) = runs(client).values()
    assert points(client, run, "loss") == [(1, 0.5), (2, 0.25)]
    assert len(points(client, run, "nan")) == len(points(client, run, "inf")) == 1
    assert len(run.inputs.dataset_inputs) == 1
    assert [entry.path for entry in client.list_artifacts(run.info.run_id, "plots")] == ["plots/plot.txt"]
    assert run.info.status == "FINISHED"


def test_a_run_whose_creation_was_interrupted_is_found_again(
    folder: Path, feed: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Journal(folder).start("", "a")
    save = State.save

    def die_after_creating(state: State, place: Path) -> None:
        if state.runs:
            raise KeyboardInterrupt
        save(state, place)

    monkeypatch.setattr(State, "save", die_after_creating)
    with pytest.raises(KeyboardInterrupt):
        feed().advance(60)
    monkeypatch.undo()
    feed().advance(60)
    assert len(client.search_runs(["1"])) == 1


def test_a_resumed_run_is_the_same_run_in_mlflow(folder: Path, feed: Any, client: Any) -> None:
    journal = Journal(folder)
    journal.start("", "a", params={"lr": 0.1})
    journal.metrics("", 1, {"loss": 0.5})
    journal.metrics("", 2, {"loss": 0.4})
    first = feed()
    first.advance(60)
    first.abandon()
    assert runs(client)["a"].info.status == "KILLED"
    journal.start("", "a", params={"lr": 0.2, "resume": "a"})
    journal.metrics("", 2, {"loss": 0.4})
    feed().advance(60)
    assert runs(client)["a"].info.status == "RUNNING"
    assert not feed().finished
    journal.metrics("", 3, {"loss": 0.3})
    journal.end("", "finished")
    feed().advance(60)
    (run,) = runs(client).values()
    assert run.info.status == "FINISHED"
    assert points(client, run, "loss") == [(1, 0.5), (2, 0.4), (3, 0.3)]
    assert run.data.params == {"lr": "0.1", "resume": "a"}


@pytest.mark.parametrize(
    ("status", "shown"), [("failed", "FAILED"), ("pruned", "KILLED"), ("interrupted", "KILLED")]
)
def test_the_end_has_the_status(folder: Path, feed: Any, client: Any, status: Any, shown: str) -> None:
    journal = Journal(folder)
    journal.start("", "study")
    journal.start("fold-0", "fold", parent="")
    journal.end("", status, error="loss is NaN in epoch 3")
    feed().advance(60)
    for run in runs(client).values():
        assert run.info.status == shown
        assert run.data.tags["harness.status"] == status
        assert run.data.tags["error"] == "loss is NaN in epoch 3"


def test_a_run_without_an_end_is_marked_as_killed_with_its_children(
    folder: Path, feed: Any, client: Any
) -> None:
    journal = Journal(folder)
    journal.start("", "study")
    for name in ("fold-0", "fold-1"):
        journal.start(name, name, parent="")
    journal.end("fold-0", "finished")
    this = feed()
    this.advance(60)
    assert not this.finished
    this.abandon()
    assert this.finished
    found = runs(client)
    statuses = {name: run.info.status for name, run in found.items()}
    assert statuses == {"study": "KILLED", "fold-0": "FINISHED", "fold-1": "KILLED"}
    assert "ended without a word" in found["study"].data.tags["error"]
    assert found["study"].info.end_time == read(folder)[0][-1]["time"]


def test_what_mlflow_refuses_is_reported_and_the_rest_is_sent(folder: Path, feed: Any, client: Any) -> None:
    journal = Journal(folder)
    journal.start("", "a", tags={"t": 1}, inputs=[{"name": "", "digest": "ab", "rows": 1}])
    journal.artifact("", "gone.png")
    journal.metrics("", 1, {"loss": 0.5})
    this = feed()
    this.advance(60)
    assert points(client, runs(client)["a"], "loss") == [(1, 0.5)]
    assert "artifact of run '': gone.png is no longer in the run's folder" in this.state.refused


def test_a_long_story_arrives_whole_in_slices(folder: Path, feed: Any, client: Any) -> None:
    journal = Journal(folder)
    journal.start("", "a", params={f"p{i}": i for i in range(250)}, tags={f"t{i}": i for i in range(120)})
    for step in range(25):
        journal.metrics("", step, {f"m{i}": float(step) for i in range(90)})
    journal.end("", "finished")
    this = feed()
    slices = 1
    while not this.advance(0.0):
        slices += 1
    assert slices == 5, "a start, three calls of up to 1000 points, and an end"
    assert this.finished
    run = runs(client)["a"]
    assert len(run.data.params) == 250
    assert points(client, run, "m7") == [(step, float(step)) for step in range(25)]


def test_a_trial_finds_its_sweep_though_it_came_first(outputs: Path, uri: str, client: Any) -> None:
    sweep, trial = outputs / "sweeps" / "s-0", outputs / "sweeps" / "s-0" / "3"
    trial.mkdir(parents=True)
    journal = Journal(trial)
    journal.start("", "trial 3", parent="..")
    feed = JournalUpload(trial, uri, "digits", outputs)
    feed.advance(60)
    assert "mlflow.parentRunId" not in runs(client)["trial 3"].data.tags
    Journal(sweep).start("", "sweep")
    JournalUpload(sweep, uri, "digits", outputs).advance(60)
    journal.end("", "finished")
    feed.advance(60)
    found = runs(client)
    assert found["trial 3"].data.tags["mlflow.parentRunId"] == found["sweep"].info.run_id


def test_a_trouble_after_the_last_event_is_met_again_too(
    folder: Path, feed: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(folder)
    journal.start("", "a")
    journal.end("", "finished")
    this = feed()
    with monkeypatch.context() as patch:
        patch.setattr(
            JournalUpload, "_find_parents", lambda *_: (_ for _ in ()).throw(ConnectionError("no route"))
        )
        with pytest.raises(ConnectionError):
            this.advance(60)
    assert not this.finished
    this.advance(60)
    assert this.finished


def test_a_passing_trouble_is_met_again_with_nothing_lost(
    folder: Path, feed: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(folder)
    journal.start("", "a")
    journal.metrics("", 1, {"loss": 0.5})
    this = feed()
    with monkeypatch.context() as patch:
        patch.setattr(Sender, "metrics", lambda *_: (_ for _ in ()).throw(ConnectionError("no route")))
        for _ in range(5):
            with pytest.raises(ConnectionError) as caught:
                this.advance(60)
    this.report(caught.value)
    assert State.load(folder).trouble == "no route"  # type: ignore[union-attr]
    this.advance(60)
    assert points(client, runs(client)["a"], "loss") == [(1, 0.5)]
    assert State.load(folder).trouble is None  # type: ignore[union-attr]


def test_a_deleted_experiment_is_a_trouble_in_plain_words(folder: Path, feed: Any, client: Any) -> None:
    client.delete_experiment(client.create_experiment("old"))
    Journal(folder).start("", "a")
    with pytest.raises(
        RuntimeError, match="experiment 'old' is deleted there; restore it, or choose another"
    ):
        feed("old").advance(60)


def test_masked_values_stay_masked_and_no_password_is_stored(outputs: Path, folder: Path) -> None:
    journal = Journal(folder)
    journal.start("", "a", params={"data.extract.url": "postgresql://me:***@host/db"})
    feed = JournalUpload(folder, "http://me:s3cret@127.0.0.1:9/", "digits", outputs)
    with pytest.raises(MlflowException) as caught:
        feed.advance(60)
    feed.report(caught.value)
    stored = "".join(path.read_text() for path in folder.iterdir())
    assert "s3cret" not in stored
    trouble = json.loads((folder / "tracking.json").read_text())["trouble"]
    assert trouble == "it does not answer"
    assert "postgresql://me:***@host/db" in stored


def test_words_are_one_short_line() -> None:
    assert error_line(ValueError("a\n  b"), "http://h") == "a b"
    assert error_line(KeyError(), "http://h") == "KeyError"
    assert error_line(ValueError("no: http://me:pw1@h"), "http://me:pw1@h") == "no: http://me:***@h"
    assert len(error_line(ValueError("x" * 999), "http://h")) == 300


def test_a_model_that_was_removed_before_its_upload_is_not_sent(
    folder: Path, feed: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep removes the model of a trial when a better one is complete, and its upload may be late."""
    journal = Journal(folder)
    journal.start("", "trial")
    journal.start("fold-0", "fold 0", parent="")
    for run in ("", "fold-0"):
        journal.model(run, "fold-0/model" if run else "model")
    journal.end("", "finished")
    (folder / "fold-0" / "model").mkdir(parents=True)

    def vanish(*given: Any) -> None:
        (folder / "fold-0" / "model").rmdir()
        raise FileNotFoundError("weights.safetensors")

    monkeypatch.setattr(mlflow_model, "log", vanish)
    upload = feed()
    assert upload.advance(60)
    assert upload.state.refused == []
    (half_sent,) = client.search_logged_models([client.get_experiment_by_name("digits").experiment_id])
    assert (half_sent.source_run_id, str(half_sent.status)) == (runs(client)["fold 0"].info.run_id, "FAILED")
