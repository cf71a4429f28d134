"""A model that is fetched from a store brings code and a list of calls along."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_breast_cancer

from harness.core.errors import UserError
from harness.deploy.registry_download import fetch

# MLflow uses parts of SQLAlchemy that are deprecated.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def store(
    run_cli: Any, here: Path, finished: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Path]:
    """The address of a store with the model `ward@champion`, and the model's files in it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    shutil.copytree(finished("data/extract=breast_cancer").parents[1], here / "theirs")
    answer = run_cli("register", "made", "--name", "ward", "--alias", "champion", "--outputs", "theirs")
    assert answer.status == 0, answer.err
    (bundle,) = (here / "theirs" / "mlartifacts").glob("**/artifacts/*/bundle.json")
    load_breast_cancer(as_frame=True).data.head(5).to_csv("rows.csv", index=False)
    return f"sqlite:///{here}/theirs/mlflow.db", bundle.parents[2]


def change(model: Path, target: str) -> None:
    """Names another class for the network."""
    (path,) = model.glob("artifacts/*/bundle.json")
    content = json.loads(path.read_text())
    content["config"]["model"] = {"_target_": target}
    path.write_text(json.dumps(content))


def test_a_model_of_another_store_answers_as_the_run_that_made_it(
    run_cli: Any, here: Path, store: tuple[str, Path]
) -> None:
    uri, _ = store
    assert run_cli("predict", "made", "rows.csv", "run.csv", "--outputs", "theirs").status == 0
    before = list(sys.path)
    answer = run_cli("predict", "models:/ward@champion", "rows.csv", "out.csv", "--uri", uri)
    assert (answer.status, answer.err) == (0, "")
    assert Path("out.csv").read_text() == Path("run.csv").read_text()
    assert sys.path == before


def test_a_model_of_another_store_may_name_known_classes_only(
    run_cli: Any, here: Path, store: tuple[str, Path]
) -> None:
    uri, model = store
    change(model, "os.system")
    answer = run_cli("predict", "models:/ward@champion", "rows.csv", "out.csv", "--uri", uri)
    assert answer.status == 2
    assert "model._target_=os.system is no part that is known to be harmless" in answer.err
    assert not Path("out.csv").exists()


def test_of_its_code_only_what_was_allowed_can_be_imported(
    here: Path, store: tuple[str, Path], tmp_path: Path
) -> None:
    uri, model = store
    for name in ("theirs_good", "theirs_evil"):
        (model / "code" / f"{name}.py").write_text("class Net: ...\n")
    change(model, "theirs_good.Net")
    for folder in ("first", "second", "third"):
        (tmp_path / folder).mkdir()
    with pytest.raises(UserError, match=r"then allow it with --allow theirs_good"):
        fetch("models:/ward/1", uri, here / "outputs", tmp_path / "first")
    assert "theirs_good" not in sys.modules
    fetch("models:/ward/1", uri, here / "outputs", tmp_path / "second", ["theirs_good"])
    assert [path.name for path in Path(sys.path[-1]).iterdir() if path.suffix == ".py"] == ["theirs_good.py"]
    fetch("models:/ward/1", uri, here / "theirs", tmp_path / "third")  # the user's own store
    assert (Path(sys.path[-1]) / "theirs_evil.py").exists()


def test_the_code_of_another_store_is_served_only_when_it_was_allowed(
    run_cli: Any, here: Path, store: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, _ = store
    called: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *words: called.append(words))
    words = ("serve", "models:/ward@champion", "--port", "5961")
    answer = run_cli(*words, "--uri", uri)
    assert (answer.status, called) == (2, [])
    assert "runs the code that it brings along (harness), and it does not come from the store" in answer.err
    assert "then allow it with --allow harness." in answer.err
    assert run_cli(*words, "--uri", uri, "--allow", "harness").status == 0
    assert run_cli(*words, "--outputs", "theirs").status == 0
    assert len(called) == 2


NOT_THERE = {
    "models:/ward@champoin": "no version of ward has the alias champoin; did you mean champion?\n",
    "models:/ward/7": "ward has no version 7; it has 1.",
    "models:/wart/1": "no model is registered as wart; did you mean ward?",
    "models:/ward": "a model in MLflow is named models:/NAME@ALIAS",
    "runs:/none/model": "there is no run none in sqlite:///",
}


@pytest.mark.parametrize("verb", ["predict", "serve"])
def test_what_is_not_in_the_store_is_one_sentence(
    run_cli: Any, here: Path, store: tuple[str, Path], verb: str
) -> None:
    rest = ("rows.csv", "out.csv") if verb == "predict" else ("--port", "5962")
    for name, message in NOT_THERE.items():  # a store takes longer to make than all of them together
        answer = run_cli(verb, name, *rest, "--outputs", "theirs")
        assert answer.status == 2, name
        assert message in answer.err, name
        assert answer.err.count("\n") == 1, name
