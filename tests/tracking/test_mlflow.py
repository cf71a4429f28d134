from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from harness.runs.journal import Journal
from harness.runs.tracking_state import State
from harness.tracking import mlflow as tracking_mlflow
from harness.tracking.mlflow import Mlflow


def make(outputs: Path, uri: str | None = None, patience: float = 60.0) -> Mlflow:
    return Mlflow(uri=uri, experiment="digits", outputs=str(outputs), patience=patience)


@pytest.mark.slow
def test_a_run_has_its_link_before_its_end_and_is_settled_after_it(
    outputs: Path, folder: Path, uri: str, client: Any
) -> None:
    tracking = make(outputs)
    journal = Journal(folder)
    tracking.follow(folder)
    journal.start("", "a")
    journal.metrics("", 1, {"loss": 0.5})
    link = tracking.link(folder)
    assert (link.tracking_uri, link.experiment, link.sent, link.trouble) == (uri, "digits", False, None)
    assert client.get_run(link.run_id).info.status == "RUNNING"
    journal.end("", "finished")
    settled = tracking.settle(folder)
    assert (settled.run_id, settled.sent, settled.trouble) == (link.run_id, True, None)
    assert client.get_run(link.run_id).info.status == "FINISHED"


@pytest.mark.slow
def test_one_uploader_serves_the_runs_of_a_process(outputs: Path, client: Any) -> None:
    uploaders = set()
    for name in ("a", "b", "c"):
        folder = outputs / "runs" / name
        folder.mkdir(parents=True)
        tracking, journal = make(outputs), Journal(folder)
        tracking.follow(folder)
        journal.start("", name)
        journal.end("", "finished")
        assert tracking.settle(folder).sent
        uploaders.add(tracking_mlflow._uploader)
    assert len(uploaders) == 1
    assert len(client.search_runs(["1"])) == 3


@pytest.mark.slow
def test_what_mlflow_refused_is_one_line_of_a_run_that_was_sent(outputs: Path, folder: Path) -> None:
    tracking, journal = make(outputs), Journal(folder)
    tracking.follow(folder)
    journal.start("", "a")
    journal.artifact("", "gone.png")
    journal.end("", "finished")
    link = tracking.settle(folder)
    assert link.sent
    assert link.trouble == "MLflow refused artifact of run '': gone.png is no longer in the run's folder."


@pytest.mark.slow
def test_a_server_that_is_not_there_costs_the_patience_and_one_line(outputs: Path, folder: Path) -> None:
    address = "http://me:s3cret@127.0.0.1:9"
    tracking, journal = make(outputs, address, patience=2.0), Journal(folder)
    begun = time.monotonic()
    tracking.follow(folder)
    journal.start("", "a")
    assert time.monotonic() - begun < 1.0, "following is not waiting"
    begun = time.monotonic()
    link = tracking.link(folder)
    journal.end("", "finished")
    settled = tracking.settle(folder)
    assert time.monotonic() - begun < 4.0, "link and settle share the patience"
    assert (link.run_id, settled.run_id, settled.sent) == (None, None, False)
    assert settled.tracking_uri == "http://me:***@127.0.0.1:9"
    assert settled.trouble is not None
    assert settled.trouble.startswith("MLflow at http://me:***@127.0.0.1:9 did not answer")
    command = f"python -m harness sync {folder} --uri ADDRESS"
    tail = f"; the run is complete in {folder}, send it later with `{command}`."
    assert settled.trouble.endswith(tail)
    assert "s3cret" not in settled.trouble
    assert all("s3cret" not in path.read_text() for path in folder.iterdir())
    again = make(outputs, address, patience=60.0)
    again.follow(folder)
    begun = time.monotonic()
    assert not again.settle(folder).sent
    assert time.monotonic() - begun < 4.0, "a silent server is waited for once, not once per trial"


class Busy:
    """An uploader that has read the command and works."""

    fate = None

    def send(self, command: dict[str, str]) -> bool:
        return True


@pytest.mark.parametrize(("name", "waits"), [("new.db", True), ("old.db", False)])
def test_the_creation_of_a_local_store_is_waited_for(
    name: str, waits: bool, outputs: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = outputs / "new.db"
    monkeypatch.setattr(tracking_mlflow, "_uploader", Busy())
    outputs.mkdir(parents=True, exist_ok=True)
    (outputs / "old.db").touch()
    tracking = make(outputs, f"sqlite:///{outputs / name}", patience=0.1)
    tracking.follow(folder)
    creation = threading.Timer(0.5 if waits else 60, new.touch)
    creation.start()
    link = tracking.link(folder)
    waited = new.exists()
    creation.cancel()
    assert waited == waits
    assert link.trouble is not None
    assert f"{name} takes more than 0.1 s and continues; the run is complete in" in link.trouble


@pytest.mark.slow
def test_a_store_that_did_not_answer_in_time_is_reported(outputs: Path, folder: Path) -> None:
    tracking = make(outputs, patience=0.0)
    tracking.follow(folder)
    link = tracking.link(folder)
    assert link.trouble is not None
    place = f"sqlite:///{outputs}/mlflow.db"
    assert link.trouble.startswith(
        f"the upload to MLflow at {place} takes more than 0 s and continues; the run"
    )


@pytest.mark.slow
def test_the_reason_why_a_run_was_not_sent_is_printed(outputs: Path, folder: Path, client: Any) -> None:
    client.delete_experiment(client.create_experiment("digits"))
    tracking, journal = make(outputs, patience=2.0), Journal(folder)
    tracking.follow(folder)
    journal.start("", "a")
    link = tracking.link(folder)
    tracking_mlflow._silent.clear()
    assert link.trouble is not None
    reason = "did not take the run: experiment 'digits' is deleted there; restore it, or choose another with "
    assert link.trouble.startswith(f"MLflow at sqlite:///{outputs}/mlflow.db {reason}")


@pytest.mark.slow
def test_an_uploader_that_crashed_is_reported_at_once_and_replaced(
    outputs: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = tracking_mlflow._Uploader.__new__(tracking_mlflow._Uploader)
    dead.owner = -1
    dead._process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"], stdin=subprocess.PIPE)
    dead._process.communicate()
    tracking = make(outputs)
    State(f"sqlite:///{outputs}/mlflow.db", "digits").save(folder)
    with monkeypatch.context() as patch:
        patch.setattr(tracking_mlflow, "_uploader", dead)
        begun = time.monotonic()
        link = tracking.link(folder)
        assert time.monotonic() - begun < 5.0
        assert link.trouble is not None
        assert link.trouble.startswith(
            f"the process that feeds MLflow ended with status 3 (see {outputs}/uploader.log); the run"
        )
        assert dead.send({"hurry": ""}) is False


LEAVES = """
import sys
from pathlib import Path
from harness.tracking import mlflow
folder = Path(sys.argv[1])
tracking = mlflow.Mlflow(uri=None, experiment="e", outputs=sys.argv[2], patience=1.0)
for _ in range(2):
    tracking.follow(folder)
    if "killed" in sys.argv:
        mlflow._uploader._process.kill()
        mlflow._uploader._process.wait()
"""


@pytest.mark.slow
@pytest.mark.parametrize("fate", ["working", "killed"])
def test_a_process_that_ends_leaves_no_uploader_for_python_to_warn_of(
    fate: str, outputs: Path, folder: Path
) -> None:
    command = [sys.executable, "-W", "always::ResourceWarning", "-c", LEAVES, str(folder), str(outputs), fate]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stderr == ""


def test_an_outputs_folder_that_cannot_be_made_costs_one_line(tmp_path: Path, folder: Path) -> None:
    tracking_mlflow.dismiss()
    (tmp_path / "file").touch()
    tracking = make(tmp_path / "file" / "outputs")
    tracking.follow(folder)
    Journal(folder).start("", "a")
    link = tracking.settle(folder)
    assert (link.run_id, link.sent) == (None, False)
    assert link.trouble is not None
    assert link.trouble.startswith("the process that feeds MLflow could not be started ([Errno 20] Not a d")


@pytest.mark.slow
def test_no_part_of_training_imports_mlflow() -> None:
    code = "import sys, harness.runs.journal, harness.tracking.mlflow, harness.tracking.none; " + (
        "print([m for m in ('mlflow', 'sqlalchemy', 'torch', 'pandas', 'hydra') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"uri": "./mlruns"}, r"uri must be null, a server such as .* got './mlruns'"),
        ({"experiment": " "}, "experiment must be a name, got an empty text"),
        ({"patience": -1.0}, "patience must be at least 0 seconds, got -1.0"),
    ],
)
def test_values_out_of_range_are_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"uri": None, "experiment": "e", "outputs": str(tmp_path), "patience": 1.0}
    with pytest.raises(ValueError, match=message):
        Mlflow(**{**given, **change})
