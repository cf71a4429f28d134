from __future__ import annotations

import json
import os
import socket
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.runs.journal import Journal
from harness.runs.tracking_state import State


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """With what this process would have become MLflow; the views that were set on experiments."""
    found: list[Any] = []
    monkeypatch.setattr(os, "execv", lambda *words: found.append(words))
    monkeypatch.setattr(
        "harness.tracking.mlflow_view.share", lambda *words, **more: found.append((words, more))
    )
    return found


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tracked(folder: Path, uri: str, id: str, experiment: str = "digits") -> None:
    folder.mkdir(parents=True)
    journal = Journal(folder)
    journal.start("", f"name-{id}")
    journal.close()
    (folder / "config.yaml").write_text("seed: 0\n")
    objective = {"name": "valid/accuracy", "direction": "maximize", "value": 0.5}
    (folder / "result.json").write_text(
        json.dumps({"schema": 1, "status": "finished", "objective": objective})
    )
    State(uri, experiment, experiment_id="7", runs={"": id}).save(folder)


def test_mlflow_takes_over_with_the_store_of_the_output_folder(
    run_cli: Any, here: Path, called: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "else?where").mkdir()
    (here / "else?where" / "mlflow.db").touch()
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    port = str(free())
    answer = run_cli("ui", "--outputs", "else?where", "--port", port)
    assert answer == (0, f"http://127.0.0.1:{port}  (Ctrl-C ends it)\n", "")
    ((program, words),) = called
    assert program == sys.executable
    store = f"sqlite+pysqlite:///{here}/else%3Fwhere/mlflow.db"
    assert words[1:4] == ["-m", "mlflow", "ui"]
    assert words[4:] == ["--backend-store-uri", store, "--host", "127.0.0.1", "--port", port]
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_the_pages_of_a_run_come_with_the_columns_that_matter(
    run_cli: Any, here: Path, called: list[Any]
) -> None:
    uri = f"sqlite:///{here}/outputs/mlflow.db"
    tracked(here / "outputs" / "runs" / "one", uri, "abc")
    (here / "outputs" / "mlflow.db").touch()
    answer = run_cli("ui", "one", "--port", "0")
    base = answer.out.split()[0]
    assert not base.endswith(":0")
    assert answer.out.splitlines()[1:] == [
        f"run: {base}/#/experiments/7/runs/abc",
        f"digits, charts: {base}/#/experiments/7/runs?compareRunsMode=CHART",
        f"digits, table: {base}/#/experiments/7/runs?viewStateShareKey=harness",
    ]
    assert called[0] == (
        (uri, "7", ("valid/accuracy", "test/accuracy")),
        {
            "sort": "valid/accuracy",
            "better": "maximize",
        },
    )
    assert called[1][1][-1] == base.rpartition(":")[2]


def test_of_a_server_the_pages_are_printed_and_none_is_started(
    run_cli: Any, here: Path, called: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = "http://me:***@host:5000"
    tracked(here / "outputs" / "runs" / "one", uri, "abc")
    for number in "01":
        tracked(here / "outputs" / "sweeps" / "s-0" / number, uri, f"t{number}")
    charts = "digits, charts: http://host:5000/#/experiments/7/runs?compareRunsMode=CHART\n"
    assert run_cli("ui", "digits") == (0, charts, "")
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    compared = "http://host:5000/#/compare-runs?runs=%5B%22t0%22,%22t1%22%5D&experiments=%5B%227%22%5D"
    assert run_cli("ui", "s-0", "--open") == (0, f"compared: {compared}\n{charts}", "")
    assert opened == [compared]
    assert called == []


def test_what_cannot_be_shown_is_one_sentence(run_cli: Any, here: Path, called: list[Any]) -> None:
    assert "run an experiment first: python -m harness" in run_cli("ui").err
    tracked(here / "outputs" / "runs" / "one", "postgresql://me:***@host/db", "abc")
    unknown = run_cli("ui", "oen")
    assert unknown.status == 2
    assert "oen is no run below outputs; did you mean one?" in unknown.err
    assert "Experiments: digits." in unknown.err
    assert "for which MLflow needs its password; start the pages with `mlflow ui" in run_cli("ui", "one").err
    assert "--port must be between 0 and 65535, got 70000" in run_cli("ui", "--port", "70000").err
    State("sqlite:///x", "e").save(here / "outputs" / "runs" / "one")
    assert "MLflow does not have one (yet); send it with" in run_cli("ui", "one").err


def test_a_port_that_is_taken_is_reported_with_a_remedy(run_cli: Any, here: Path, called: list[Any]) -> None:
    (here / "outputs").mkdir()
    (here / "outputs" / "mlflow.db").touch()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        answer = run_cli("ui", "--port", str(port))
    assert answer.status == 2
    assert f"MLflow cannot listen on port {port} of 127.0.0.1" in answer.err
    assert "--port 0 for any that is free" in answer.err
    assert called == []


@pytest.fixture
def sweep(here: Path) -> str:
    """The name of a sweep with one trial."""
    from optuna.distributions import FloatDistribution
    from optuna.trial import create_trial

    from harness.sweep.study.snapshot import Objective
    from harness.sweep.study.study_storage import load_or_create, open_storage

    study = load_or_create(
        open_storage(None, here / "outputs/sweeps/s-0"), "s-0", (Objective("valid/accuracy", "maximize"),)
    )
    drawn = {"lr": FloatDistribution(0.001, 0.1, log=True)}
    study.add_trial(create_trial(params={"lr": 0.01}, distributions=drawn, value=0.75))
    return "s-0"


def test_optunas_dashboard_takes_over_with_the_study_of_a_sweep(
    run_cli: Any, sweep: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Any] = []
    package = ModuleType("optuna_dashboard")
    vars(package)["run_server"] = lambda storage, **more: served.append((storage, more))
    package.__spec__ = ModuleSpec("optuna_dashboard", None)
    monkeypatch.setitem(sys.modules, "optuna_dashboard", package)
    port = free()
    answer = run_cli("ui", sweep, "--study", "--port", str(port))
    assert answer == (0, f"s-0: http://127.0.0.1:{port}/dashboard/studies/0  (Ctrl-C ends it)\n", "")
    ((storage, more),) = served
    assert [study.study_name for study in storage.get_all_studies()] == ["s-0"]
    assert more == {"host": "127.0.0.1", "port": port}
    assert "name it" in run_cli("ui", "--study").err
    assert "other" in run_cli("ui", "other", "--study").err
    assert "--study" in run_cli("ui", sweep, "--storage", "sqlite:///a.db").err


def test_without_optunas_dashboard_its_package_is_named(
    run_cli: Any, sweep: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    answer = run_cli("ui", sweep, "--study")
    assert (answer.status, "harness[dashboard]" in answer.err) == (2, True)


def test_optunas_dashboard_reads_the_journal_of_a_sweep(run_cli: Any, sweep: str, here: Path) -> None:
    dashboard = pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    from wsgiref.util import setup_testing_defaults

    from harness.sweep.study.study_storage import open_storage

    app = dashboard.wsgi(open_storage(None, here / "outputs/sweeps/s-0"))
    answers: list[str] = []

    def get(path: str) -> bytes:
        environment: dict[str, Any] = {}
        setup_testing_defaults(environment)
        environment |= {"PATH_INFO": path, "REQUEST_METHOD": "GET"}
        return b"".join(app(environment, lambda status, headers, *_: answers.append(status)))

    assert b"s-0" in get("/api/studies")
    study = json.loads(get("/api/studies/0"))
    assert study["trials"][0]["values"] == [0.75]
    assert answers == ["200 OK"] * 2
