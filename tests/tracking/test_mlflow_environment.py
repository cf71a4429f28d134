"""MLflow's environment variables, in a real run and one by one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.runs.journal import read
from harness.runs.tracking_state import State
from harness.runtime.mlflow_environment import applied
from harness.tracking import mlflow as tracking_mlflow
from harness.tracking.mlflow import Mlflow

SERVER = "http://user:hidden@127.0.0.1:9"


@pytest.mark.parametrize(
    ("environment", "given", "names"),
    [
        ({}, (None, "iris", "mlp"), []),
        ({"MLFLOW_TRACKING_URI": SERVER}, (None, "iris", "mlp"), ["MLFLOW_TRACKING_URI"]),
        ({"MLFLOW_TRACKING_URI": SERVER}, ("http://other", "iris", "mlp"), []),
        ({"MLFLOW_EXPERIMENT_NAME": "team"}, (None, "team", "mlp"), ["MLFLOW_EXPERIMENT_NAME"]),
        ({"MLFLOW_EXPERIMENT_NAME": "team"}, (None, None, "mlp"), []),
        (
            {"MLFLOW_EXPERIMENT_NAME": "team", "MLFLOW_EXPERIMENT_ID": "7"},
            (None, "MLFLOW_EXPERIMENT_ID=7", "mlp"),
            ["MLFLOW_EXPERIMENT_ID"],
        ),
        ({"MLFLOW_RUN_NAME": "nightly"}, (None, "iris", "nightly"), ["MLFLOW_RUN_NAME"]),
        ({"MLFLOW_RUN_CONTEXT": '{"team": "vision"}'}, (None, "iris", "mlp"), ["MLFLOW_RUN_CONTEXT"]),
        ({"MLFLOW_TRACKING_TOKEN": "t"}, ("http://other", "iris", "mlp"), ["MLFLOW_TRACKING_TOKEN"]),
        ({"MLFLOW_TRACKING_TOKEN": "t"}, (None, "iris", "mlp"), []),
    ],
)
def test_the_variables_that_apply_are_named(
    environment: dict[str, str],
    given: tuple[str | None, str | None, str | None],
    names: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert applied(*given) == names


@pytest.mark.parametrize(
    ("uri", "place"),
    [("", "sqlite:///{outputs}/mlflow.db"), (SERVER, "http://user:***@127.0.0.1:9")],
)
def test_the_address_of_the_environment_is_used_where_the_configuration_has_none(
    uri: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    tracking = Mlflow(uri=None, experiment="digits", outputs=str(tmp_path), patience=1.0)
    assert tracking._place == place.format(outputs=tmp_path)


def test_an_address_of_the_environment_that_is_not_supported_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mlruns")
    with pytest.raises(ValueError, match=r"MLFLOW_TRACKING_URI$"):
        Mlflow(uri=None, experiment="digits", outputs=str(tmp_path), patience=1.0)


@pytest.mark.parametrize("text", ["team=vision", "[1]", '{"team": 1}'])
def test_tags_of_the_environment_that_cannot_be_read_are_refused(
    text: str, run_cli: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", text)
    answer = run_cli("data/extract=iris")
    assert answer.status == 2
    assert f'MLFLOW_RUN_CONTEXT must be tags such as {{"team": "vision"}}, got {text}' in answer.err
    assert not (here / "outputs" / "runs").exists()


@pytest.mark.parametrize(
    ("stored", "title"),
    [
        ({"experiment": "digits"}, "digits"),
        ({"experiment": "MLFLOW_EXPERIMENT_ID=7"}, "7"),
        ({"experiment": "MLFLOW_EXPERIMENT_ID=7", "experiment_name": "team"}, "team"),
    ],
)
def test_an_experiment_is_shown_by_its_name(stored: dict[str, str], title: str, tmp_path: Path) -> None:
    State("sqlite:///x", **stored).save(tmp_path)
    assert (state := State.load(tmp_path)) is not None
    assert state.title == title
    assert state.same_place("sqlite:///x", stored["experiment"])


@pytest.mark.slow
def test_a_run_goes_where_the_environment_says(
    run_cli: Any, here: Path, blank_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    store = tmp_path / "team" / "mlflow.db"
    store.parent.mkdir()
    shutil.copy(blank_store, store)
    client = MlflowClient(f"sqlite:///{store}")
    experiment = client.create_experiment("team", artifact_location=(tmp_path / "artifacts").as_uri())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    monkeypatch.setenv("MLFLOW_RUN_NAME", "nightly")
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", '{"team": "vision", "stage": "early"}')
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    answer = run_cli(
        "data/extract=iris", "trainer.epochs=1", "report=false", "tracking.patience=60", "+tags.stage=late"
    )
    assert answer.status == 0, answer.err
    named = (
        "MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_ID, MLFLOW_RUN_NAME, MLFLOW_RUN_CONTEXT, "
        "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"
    )
    assert f"experiment {experiment} (from {named})" in answer.out
    assert f"of experiment team, sqlite:///{store}" in answer.out
    (run,) = client.search_runs([experiment])
    assert run.info.run_name == "nightly"
    assert run.data.metrics["system/process_memory_usage_megabytes"] > 1
    assert (run.data.tags["team"], run.data.tags["stage"]) == ("vision", "late")
    (folder,) = (here / "outputs" / "runs").iterdir()
    stored = json.loads((folder / "result.json").read_text())["mlflow"]
    assert (stored["run_id"], stored["experiment"]) == (run.info.run_id, "team")
    assert not (here / "outputs" / "mlflow.db").exists()


class Silent:
    """An uploader that sends nothing."""

    fate = None

    def __init__(self, outputs: Path) -> None:
        pass

    def send(self, command: dict[str, str]) -> bool:
        return True


def test_folds_and_a_sweep_have_the_tags_of_the_environment_too(
    run_cli: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", '{"team": "vision", "secret_key": "hush99"}')
    monkeypatch.setattr(tracking_mlflow, "_Uploader", Silent)
    monkeypatch.setattr(tracking_mlflow, "_uploader", None)
    words = ["data/extract=iris", "model.widths=[4]", "trainer.epochs=1", "report=false", "split=kfold"]
    words += ["split.folds=2", "tracking.patience=0", "hydra/launcher=basic", "trainer.optimizer.lr=0.1"]
    answer = run_cli("-m", *words, "sweep.name=s")
    assert answer.status == 0, answer.err
    sweep = here / "outputs" / "sweeps" / "s-0"
    tags = {
        (folder.name, event["run"]): event["tags"]
        for folder in (sweep, sweep / "0")
        for event in read(folder)[0]
        if event["event"] == "start"
    }
    assert tags.keys() == {("s-0", ""), ("0", ""), ("0", "fold-0"), ("0", "fold-1")}
    assert {of["team"] for of in tags.values()} == {"vision"}
    assert {of["secret_key"] for of in tags.values()} == {"***"}
