from __future__ import annotations

import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.config.compose import compose
from harness.core.errors import UserError
from harness.replay.rerun_run import Again, rerun
from harness.run import run
from harness.runs.journal import Journal
from harness.runs.outputs import Outputs
from harness.runs.run_result import Result
from harness.runs.tracking_state import State
from harness.tracking.fetch_run import fetch, fetcher, is_id
from harness.tracking.sync_runs import sync

pytestmark = pytest.mark.slow

WORDS = ["data/extract=breast_cancer", "trainer.epochs=1", "trainer.device=cpu", "model.widths=[8]"]
NOBODY = "1" * 32


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def ids(folder: Path) -> dict[str, str]:
    state = State.load(folder)
    assert state is not None
    return state.runs


def test_a_run_without_a_folder_is_fetched_from_the_store_and_rerun(outputs: Path, uri: str) -> None:
    folder = outputs / "runs" / "a"
    words = [
        *WORDS,
        "split=kfold",
        "split.folds=2",
        "tracking=none",
        f"outputs={outputs}",
        "+tags.idea=wider",
    ]
    run(compose(words), folder, command="python -m harness")
    sync(folder, outputs, uri=uri)
    known, result = ids(folder), Result.read(folder / "result.json")
    weights = (folder / "fold-1/model/weights.safetensors").read_bytes()
    shutil.rmtree(folder)

    logged = Outputs(outputs).find(known["fold-1"], fetcher())
    assert (logged.foreign, logged.fold) == (True, 1)
    assert logged.folder == outputs / "fetched" / known[""]
    assert logged.mlflow_id == known["fold-1"]
    assert (logged.folder / "fold-1/model/weights.safetensors").read_bytes() == weights
    whole = Outputs(outputs).find(known[""], fetcher())
    assert whole.name == "mlp-supervised-breast_cancer"
    assert whole.tags["idea"] == "wider"
    assert whole.result is not None
    assert whole.result.scores == result.scores
    assert sorted(whole.models) == [0, 1]
    assert whole.packages["torch"]
    assert [path.name for path in (outputs / "fetched").iterdir()] == [known[""]]

    lines: list[str] = []
    assert rerun(whole, Again(["tracking=none"], outputs), lines.append).equal
    assert lines[-1].endswith("scores are equal to the last bit.")


def test_a_missing_result_is_made_of_the_metrics(outputs: Path, uri: str, folder: Path) -> None:
    (folder / "config.yaml").write_text("seed: 3\n")
    journal = Journal(folder)
    inputs = [{"name": "t", "digest": "d" * 16, "source": "s", "context": "train", "rows": 5, "groups": None}]
    journal.start("", "named", tags={"seed": 3, "data.digest": "d" * 16}, inputs=inputs)
    journal.artifact("", "config.yaml")
    journal.metrics("", 1, {"valid/loss": 0.5, "test/accuracy": 0.25, "test/accuracy_majority": 0.125})
    journal.metrics("", 2, {"valid/loss": 0.125})
    journal.system("", 0, {"system/cpu_utilization_percentage": 50.0})
    journal.end("", "failed", "it broke")
    sync(folder, outputs, uri=uri)
    found = fetch(ids(folder)[""], outputs)
    assert found is not None
    logged = Outputs(outputs).find(str(found[0]), fetcher())
    assert logged.result is not None
    assert {name: score["mean"] for name, score in logged.result.scores.items()} == {
        "valid/loss": 0.125,
        "test/accuracy": 0.25,
        "test/accuracy_baseline_majority": 0.125,
    }
    assert (logged.result.status, logged.result.error, logged.result.seed) == ("failed", "it broke", 3)
    (logged_input,) = logged.start["inputs"]
    assert logged_input == inputs[0]


def test_what_is_no_run_of_the_harness_is_refused(outputs: Path, client: Any) -> None:
    bare = client.create_run(client.create_experiment("other"), run_name="bare").info.run_id
    with pytest.raises(
        UserError, match=rf"{bare} \(bare\) holds no config.yaml: it is a sweep, or was not made"
    ):
        fetch(bare, outputs)
    assert not (outputs / "fetched").exists()


def test_an_id_that_no_store_has_is_not_found_and_makes_no_store(outputs: Path, tmp_path: Path) -> None:
    assert fetch(NOBODY, outputs) is None
    with pytest.raises(UserError, match=f"{NOBODY} is no run below"):
        Outputs(tmp_path / "empty").find(NOBODY, fetcher())
    assert not (tmp_path / "empty").exists()
    assert is_id(NOBODY)
    assert not is_id("last")


def test_a_store_that_cannot_be_reached_is_one_sentence_within_seconds(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:hidden@127.0.0.1:9")
    with pytest.raises(UserError, match="it does not answer; start that server") as caught:
        fetch(NOBODY, outputs)
    assert "hidden" not in str(caught.value)
    assert time.monotonic() - began < 15
    with pytest.raises(UserError, match=r"--uri names the database .*nix\.db, which there is not"):
        fetch(NOBODY, outputs, "sqlite:///nix.db")
    with pytest.raises(UserError, match="--uri: uri must be null, a server such as"):
        fetch(NOBODY, outputs, "nix")


@pytest.mark.parametrize("id", ["../../elsewhere", "", "a" * 31, "/etc"])
def test_a_run_id_from_a_store_cannot_name_another_folder(
    id: str, outputs: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SimpleNamespace(info=SimpleNamespace(run_id=id), data=SimpleNamespace(tags={}))
    monkeypatch.setattr("harness.tracking.fetch_run._run", lambda client, wanted: run)
    with pytest.raises(UserError, match=r"^the store calls a run .*, which is no MLflow id; name a run of"):
        fetch("a" * 32, outputs, uri)
