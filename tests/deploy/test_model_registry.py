from __future__ import annotations

import itertools
import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.bundle.row_predictor import RowPredictor
from harness.core.errors import UserError
from harness.deploy import model_registry
from harness.runs.outputs import Outputs
from harness.runs.run_result import Result

# MLflow uses parts of SQLAlchemy that are deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def outputs(finished: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs of one table: `made`; `better`, of higher accuracy; `elsewhere`, tested on other rows."""
    folder = tmp_path_factory.mktemp("registry") / "outputs"
    shutil.copytree(finished("data/extract=breast_cancer").parents[1], folder)
    runs = folder / "runs"
    for name in ("better", "elsewhere"):
        shutil.copytree(runs / "made", runs / name)
    content = json.loads((runs / "better" / "result.json").read_text())
    content["scores"]["test/accuracy"]["mean"] = 0.999
    (runs / "better" / "result.json").write_text(json.dumps(content))
    stored = dict(np.load(runs / "elsewhere" / "folds.npz"))
    stored["parts"] = np.roll(stored["parts"], 1, axis=1)
    np.savez(runs / "elsewhere" / "folds.npz", **stored)
    return folder


@pytest.fixture(scope="module")
def client(outputs: Path) -> Iterator[Any]:
    from harness.tracking.mlflow_store import prepare

    prepare()
    import mlflow
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{outputs}/mlflow.db"
    yield MlflowClient(uri, registry_uri=uri)
    mlflow.set_tracking_uri(None)


_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    """A name under which nothing is registered yet, in a store that the tests share."""
    return f"ward {next(_numbers)}"


@pytest.fixture
def register(run_cli: Any, outputs: Path) -> Callable[..., Any]:
    def typed(*words: str) -> Any:
        return run_cli("register", *words, "--outputs", str(outputs))

    return typed


def accuracy(outputs: Path, run: str) -> float:
    return float(Result.read(outputs / "runs" / run / "result.json").scores["test/accuracy"]["mean"])


def names(client: Any) -> list[str]:
    return [model.name for model in client.search_registered_models()]


def test_a_run_that_was_never_tracked_is_sent_and_becomes_a_version_with_its_alias(
    register: Any, outputs: Path, client: Any, name: str
) -> None:
    answer = register("made", "--name", name, "--alias", "champion", "--if", "test/accuracy>=0.1")
    own = accuracy(outputs, "made")
    assert answer.out.splitlines() == [
        f"test/accuracy is {own:.4g}, and must be >= 0.1",
        f"made is version 1 of {name}",
        "it has the alias champion",
        f"models:/{name}@champion",
    ]
    assert (answer.status, answer.err) == (0, "")
    version = client.get_model_version_by_alias(name, "champion")
    logged = Outputs(outputs).find("made")
    assert version.run_id == logged.mlflow_id
    assert float(version.tags["score.test/accuracy"]) == own
    assert version.tags["data.digest"] == logged.tags["data.digest"]
    assert version.tags["git.commit"] == logged.tags["git.commit"]
    assert version.tags["harness.run"] == "made"
    assert version.tags[model_registry.MODEL] in logged.state.models.values()  # type: ignore[union-attr]


def test_the_registered_model_answers_as_the_run(
    register: Any, outputs: Path, client: Any, name: str
) -> None:
    assert register("made", "--name", name, "--alias", "champion").status == 0
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{outputs}/mlflow.db")
    bundle = outputs / "runs" / "made" / "model"
    rows = pd.read_json(bundle / "example.json", orient="table")
    found = mlflow.pyfunc.load_model(f"models:/{name}@champion").predict(rows)
    pd.testing.assert_frame_equal(found, RowPredictor(bundle)(rows), check_exact=True)


def test_a_refusal_shows_the_numbers_and_registers_nothing(
    register: Any, outputs: Path, client: Any, name: str
) -> None:
    words = ("--if", "test/accuracy>=0.1", "--if", "test/accuracy>=0.9999", "--alias", "champion")
    answer = register("made", "--name", name, *words)
    assert answer.out.splitlines() == [
        f"test/accuracy is {accuracy(outputs, 'made'):.4g}, and must be >= 0.1",
        f"test/accuracy is {accuracy(outputs, 'made'):.4g}, but must be >= 0.9999",
        f"refused: nothing was registered as {name}.",
    ]
    assert (answer.status, answer.err) == (1, "")
    assert name not in names(client)


def test_a_refusal_makes_no_store(run_cli: Any, finished: Any, tmp_path: Path) -> None:
    shutil.copytree(finished("data/extract=breast_cancer").parents[1], tmp_path / "outputs")
    words = ("--if", "test/accuracy>=2", "--better-than", "champion")
    assert run_cli("register", "made", "--name", "ward", *words).status == 1
    assert not (tmp_path / "outputs" / "mlflow.db").exists()
    assert not (tmp_path / "outputs" / "runs" / "made" / "tracking.json").exists()


def test_the_champion_is_replaced_only_by_a_better_one_on_the_same_rows(
    register: Any, outputs: Path, client: Any, name: str
) -> None:
    duel = ("--name", name, "--alias", "champion", "--better-than", "champion")
    first = register("made", *duel)
    assert first.out.splitlines()[0] == f"nothing is registered as {name} yet: there is no champion to beat"
    assert first.status == 0
    own = accuracy(outputs, "made")
    better = register("better", *duel)
    assert better.out.splitlines() == [
        f"test/accuracy is 0.999, higher than the {own:.4g} of version 1 (champion), on the same test rows",
        f"better is version 2 of {name}",
        "it has the alias champion, which version 1 had",
        f"models:/{name}@champion",
    ]
    worse = register("made", *duel)
    assert worse.out.splitlines() == [
        f"test/accuracy is {own:.4g}, not higher than the 0.999 of version 2 (champion), "
        "on the same test rows",
        f"refused: nothing was registered as {name}.",
    ]
    assert worse.status == 1
    assert int(client.get_model_version_by_alias(name, "champion").version) == 2
    other = register("elsewhere", *duel)
    assert other.status == 2
    assert "was scored on other test rows, so that its test/accuracy of 0.999 cannot be compared" in other.err
    unknown = register("made", "--name", name, "--better-than", "champoin")
    assert unknown.status == 2
    assert f"no version of {name} has the alias champoin; did you mean champion?" in unknown.err
    assert len(client.search_model_versions(f"name = '{name}'")) == 2


def test_the_same_words_again_change_nothing(register: Any, client: Any, name: str) -> None:
    words = ("made", "--name", name, "--alias", "champion", "--better-than", "champion")
    assert register(*words).status == 0
    again = register(*words)
    assert again.out.splitlines() == [
        "version 1 (champion) is this very model",
        f"made is already version 1 of {name}",
        "it has the alias champion",
        f"models:/{name}@champion",
    ]
    assert len(client.search_model_versions(f"name = '{name}'")) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--if", "test/acuracy>=0.9"], "test/acuracy is no score of the run; did you mean test/accuracy"),
        (["--if", "test/accuracy"], "--if needs a score, one of >= <= > < and a number"),
        (["--alias", "a b"], "--alias must be letters, digits, _ and -"),
        (["--alias", "Latest"], "neither `latest` nor a version such as `v2`, got 'Latest'"),
        (["--better-than", "v2"], "neither `latest` nor a version such as `v2`, got 'v2'"),
        (["--by", "test/auroc"], "--by says by which score --better-than compares"),
        (
            ["--better-than", "a", "--by", "test/aurok"],
            "test/aurok is no score of the run; did you mean test/auroc",
        ),
        (
            ["--better-than", "a", "--by", "train/loss"],
            "--by must be a score of test or valid rows, got train/loss",
        ),
        (["--name", "a/b"], "--name must be letters, digits, spaces and any of _ - ."),
        (["--ensemble"], "--ensemble puts the models of several folds together, and made has one"),
        (["--uri", "nowhere"], "--uri must be null, a server such as http://localhost:5000"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_sent(
    register: Any, client: Any, name: str, words: list[str], sentence: str
) -> None:
    before = names(client)
    answer = register("made", "--name", name, *words)
    assert answer.status == 2
    assert sentence in answer.err
    assert len(answer.err.splitlines()) == 1
    assert names(client) == before


def test_only_a_finished_run_is_registered(register: Any, outputs: Path) -> None:
    folder = outputs / "runs" / "stopped"
    shutil.copytree(outputs / "runs" / "made", folder)
    (folder / "result.json").unlink()
    answer = register("stopped", "--name", "x")
    assert answer.status == 2
    assert "stopped is not finished, and only a finished run can be registered" in answer.err
    shutil.rmtree(folder)


def test_a_version_that_does_not_come_about_leaves_no_name(
    register: Any, client: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    def refuse(*words: object, **more: object) -> None:
        raise MlflowException("the disk is full")

    monkeypatch.setattr(MlflowClient, "create_model_version", refuse)
    answer = register("made", "--name", name, "--alias", "champion")
    assert answer.status == 2
    assert "is in trouble: the disk is full; start that server" in answer.err
    assert name not in names(client)


def test_an_alias_is_given_only_to_what_is_ready(
    outputs: Path, register: Any, client: Any, name: str
) -> None:
    assert register("made", "--name", name).status == 0
    version = client.get_model_version(name, "1")
    version._status = "PENDING_REGISTRATION"
    with pytest.raises(
        UserError, match=f"version 1 of {name} is PENDING_REGISTRATION, and only one that is READY"
    ):
        model_registry.Registry(f"sqlite:///{outputs}/mlflow.db").move(name, "champion", version)
    assert client.get_registered_model(name).aliases == {}


def test_a_registry_that_cannot_be_reached_is_one_sentence_within_seconds(register: Any, name: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for uri in (f"http://u:secret@127.0.0.1:{port}", f"postgresql://u:secret@127.0.0.1:{port}/db"):
        began = time.monotonic()
        answer = register("better", "--name", name, "--uri", uri)
        assert time.monotonic() - began < 10
        assert answer.status == 2
        shown = uri.replace("secret", "***")
        sentence = f"the MLflow registry at {shown}: it does not answer; start that server, or give another"
        assert sentence in answer.err
        assert "secret" not in answer.err


def test_a_registry_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        uri = f"http://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(UserError, match="it does not answer; start that server"):
            model_registry.Registry(uri).by_alias("ward", "champion")


def test_the_address_is_the_one_given_else_the_runs_else_that_of_the_outputs(tmp_path: Path) -> None:
    assert model_registry.place("http://host:1", "http://other", tmp_path) == "http://host:1"
    assert model_registry.place(None, "http://other", tmp_path) == "http://other"
    assert model_registry.place(None, None, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    with pytest.raises(UserError, match=r"passwords are never stored; give the whole address with --uri"):
        model_registry.place(None, "http://u:***@other", tmp_path)


def test_several_folds_are_registered_together_or_one_by_one(
    run_cli: Any, finished: Any, tmp_path: Path
) -> None:
    made = finished("data/extract=breast_cancer", "split=kfold", "split.folds=3")
    shutil.copytree(made.parents[1], tmp_path / "outputs")
    alone = run_cli("register", "made", "--name", "ward")
    assert alone.status == 2
    assert "made has 3 models, one per fold; name one of them, such as made/fold-0" in alone.err
    together = run_cli("register", "made", "--name", "ward", "--ensemble", "--if", "test/accuracy>=0.1")
    mean = accuracy(tmp_path / "outputs", "made")
    assert together.out.splitlines() == [
        "the scores are means over the models of 3 folds; the ensemble has none of its own",
        f"test/accuracy is {mean:.4g}, and must be >= 0.1",
        "made is version 1 of ward",
        "models:/ward/1",
    ]
    one = run_cli("register", "made/fold-1", "--name", "ward", "--if", "test/accuracy>=0.1")
    folds = Result.read(tmp_path / "outputs/runs/made/result.json").scores["test/accuracy"]["folds"]
    assert one.out.splitlines()[:2] == [
        f"test/accuracy is {folds[1]:.4g}, and must be >= 0.1",
        "made/fold-1 is version 2 of ward",
    ]
