from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

from harness.tracking import mlflow_store, store_address
from harness.tracking.mlflow_store import Store, refusal

RUN = """
import sys
from pathlib import Path
from harness.runs.journal import Journal
from harness.tracking.mlflow import Mlflow

outputs, number, patience = sys.argv[1:]
folder = Path(outputs, "runs", number)
folder.mkdir(parents=True)
tracking = Mlflow(uri=None, experiment="race", outputs=outputs, patience=float(patience))
journal = Journal(folder)
tracking.follow(folder)
journal.start("", f"run {number}")
for step in range(20):
    journal.metrics("", step, {"loss": 1 / (step + 1)})
journal.end("", "finished")
link = tracking.settle(folder)
assert link.sent and link.trouble is None, link
assert "mlflow" not in sys.modules and "sqlalchemy" not in sys.modules
"""


@pytest.mark.slow
def test_eight_runs_at_once_on_a_machine_without_a_store_are_eight_finished_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    processes = [
        subprocess.Popen([*command, str(number), "120"], stderr=subprocess.PIPE) for number in range(8)
    ]
    complaints = [process.communicate()[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, complaints
    database = sqlite3.connect(tmp_path / "mlflow.db")
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert database.execute("SELECT count(*) FROM experiments WHERE name = 'race'").fetchone() == (1,)
    rows = "SELECT r.name, r.status, count(*) FROM runs r JOIN metrics m USING (run_uuid) GROUP BY 1, 2"
    expected = [(f"run {number}", "FINISHED", 20) for number in range(8)]
    assert sorted(database.execute(rows)) == expected
    database.close()
    left = {path.name for path in tmp_path.iterdir()} - {"mlflow.db-wal", "mlflow.db-shm"}
    assert left == {"runs", "mlflow.db", "mlflow.db.lock"}


def test_an_experiment_that_another_created_meanwhile_is_used(
    outputs: Path, uri: str, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    look = MlflowClient.get_experiment_by_name
    looks: list[str] = []

    def too_early(self: Any, name: str) -> Any:
        looks.append(name)
        if len(looks) == 1:
            client.create_experiment(name)
            return None
        return look(self, name)

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", too_early)
    store = Store(uri, "digits", outputs)
    assert store.experiment_id == look(client, "digits").experiment_id


def test_a_store_lies_in_its_folder_whatever_the_name(tmp_path: Path, blank_store: Path) -> None:
    outputs = tmp_path / "a?b%41#c é" / "outputs"
    outputs.mkdir(parents=True)
    shutil.copy(blank_store, outputs / "mlflow.db")
    store = Store(store_address.absolute(None, outputs), "digits", outputs)
    with sqlite3.connect(outputs / "mlflow.db") as database:
        assert database.execute("SELECT count(*) FROM experiments WHERE name = 'digits'").fetchone() == (1,)
    store.client.log_text(store.client.create_run(store.experiment_id).info.run_id, "a", "note.txt")
    assert len([*(outputs / "mlartifacts").rglob("note.txt")]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a?b%41#c é"]


def test_artifacts_of_a_database_lie_in_the_outputs_folder(outputs: Path, uri: str, client: Any) -> None:
    Store(uri, "digits", outputs)
    location = client.get_experiment_by_name("digits").artifact_location
    assert location == (outputs / "mlartifacts").as_uri()


def test_each_new_store_is_a_copy_of_one_that_is_made_once(
    tmp_path: Path, blank_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As MLflow makes it, but for its folder of artifacts: that of the default experiment, and its time."""
    assert blank_store.exists()  # so one has been made before
    monkeypatch.setattr("mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore", None)
    begun = time.time()
    for name in ("a", "b c"):
        path = tmp_path / name / "mlflow.db"
        mlflow_store.create(path, (path.parent / "mlartifacts").as_uri())
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            row = "SELECT name, artifact_location, creation_time, last_update_time FROM experiments"
            ((experiment, location, *times),) = database.execute(row)
        assert experiment == "Default"
        assert location == (path.parent / "mlartifacts" / "0").as_uri()
        assert all(begun - 1 < at / 1000 < time.time() + 1 for at in times)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (MlflowException("connection refused"), False),
        (MlflowException("login", error_code=16), False),
        (MlflowException.invalid_parameter_value("too long"), True),
        (FileNotFoundError("plot.png"), True),
        (requests.ConnectionError("reset"), False),
        (OperationalError("insert", {}, Exception("database is locked")), False),
        (KeyError("fold-0"), True),
        (Exception("an artifact store's own"), None),
    ],
)
def test_only_permanent_errors_are_given_up(error: Exception, verdict: bool | None) -> None:
    assert refusal(error) is verdict
