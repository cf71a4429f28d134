from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.bundle.row_predictor import RowPredictor
from harness.core.task import Task
from harness.runs.journal import Journal
from harness.runs.tracking_state import State
from harness.tracking import mlflow_model
from harness.tracking.journal_upload import JournalUpload
from harness.tracking.mlflow_store import prepare

CLASSES = Task("multiclass", ("dead", "ill", "well"))

# MLflow uses parts of SQLAlchemy that are deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _quiet_mlflow() -> Iterator[None]:
    prepare()
    import mlflow

    yield
    mlflow.set_tracking_uri(None)


def load(uri: str) -> Any:
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(uri)


def test_the_saved_model_predicts_raw_rows_like_the_run(make: Any, tmp_path: Path, rows: Any) -> None:
    folder, _, _ = make(CLASSES)
    (tmp_path / "a?b%41#c é").mkdir()
    folder = folder.rename(tmp_path / "a?b%41#c é" / "model")
    mlflow_model.save(tmp_path / "model", folder)
    found = load(str(tmp_path / "model")).predict(rows)
    pd.testing.assert_frame_equal(found, RowPredictor(folder)(rows))


def test_types_of_a_file_of_rows_are_accepted(make: Any, tmp_path: Path, rows: pd.DataFrame) -> None:
    folder, _, _ = make(CLASSES)
    mlflow_model.save(tmp_path / "model", folder)
    model = load(str(tmp_path / "model"))
    as_read = rows.assign(dose=[0, 1, 2, 3, 4, 5], age=rows["age"].astype(float))
    pd.testing.assert_frame_equal(model.predict(as_read), RowPredictor(folder)(as_read))


def test_the_model_has_a_signature_of_inputs_and_outputs(make: Any, tmp_path: Path) -> None:
    import mlflow.models

    folder, _, _ = make(CLASSES)
    mlflow_model.save(tmp_path / "model", folder)
    info = mlflow.models.get_model_info(str(tmp_path / "model"))
    assert info.signature.inputs.input_names() == ["age", "dose", "ward"]
    assert [str(kind) for kind in info.signature.outputs.input_types()] == [
        "DataType.string",
        *["DataType.double"] * 3,
    ]
    assert info.metadata == {
        "columns": {"age": "int64", "dose": "float64", "ward": "str"},
        "task": "multiclass",
    }
    written = (tmp_path / "model" / "requirements.txt").read_text()
    assert written.split() == json.loads((folder / "bundle.json").read_text())["requirements"]
    assert not list((tmp_path / "model").rglob("*.pkl"))


@pytest.mark.slow
def test_saving_needs_neither_torch_nor_the_model(make: Any, tmp_path: Path) -> None:
    folder, _, _ = make(CLASSES)
    code = (
        "import sys; from pathlib import Path; from harness.tracking import mlflow_model; "
        f"mlflow_model.save(Path({str(tmp_path / 'model')!r}), Path({str(folder)!r})); "
        "print([m for m in ('torch', 'hydra', 'my_parts') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-W", "ignore", "-c", code], text=True).strip() == "[]"


@pytest.mark.slow
def test_the_model_runs_where_neither_harness_nor_the_users_code_is_installed(
    make: Any, tmp_path: Path, rows: pd.DataFrame
) -> None:
    folder, _, _ = make(CLASSES)
    mlflow_model.save(tmp_path / "model", folder)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    code = f"""
import sys
sys.meta_path = [f for f in sys.meta_path if "editable" not in repr(f).lower()]
sys.path = [p for p in sys.path if not p.endswith("/main")]
import mlflow, pandas
model = mlflow.pyfunc.load_model({str(tmp_path / "model")!r})
model.predict(pandas.read_csv({str(tmp_path / "rows.csv")!r})).to_csv({str(tmp_path / "found.csv")!r})
import harness, my_parts
assert harness.__file__.startswith({str(tmp_path)!r}), harness.__file__
assert my_parts.__file__.startswith({str(tmp_path / "model")!r}), my_parts.__file__
"""
    subprocess.run([sys.executable, "-P", "-c", code], check=True, cwd=tmp_path)
    found = pd.read_csv(tmp_path / "found.csv", index_col=0)
    pd.testing.assert_frame_equal(found, RowPredictor(folder)(rows), check_dtype=False)


def test_the_model_belongs_to_its_run_and_is_sent_twice_without_a_trace(
    make: Any, tmp_path: Path, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    bundle, _, _ = make(CLASSES)
    outputs, folder = tmp_path / "outputs", tmp_path / "outputs" / "runs" / "a"
    folder.mkdir(parents=True)
    uri = f"sqlite:///{outputs}/mlflow.db"
    journal = Journal(folder)
    journal.start("", "a")
    journal.model("", shutil.copytree(bundle, folder / "bundle").relative_to(folder))
    for _ in range(2):
        feed = JournalUpload(folder, uri, "digits", outputs)
        assert feed.advance(60)
        assert feed.state.refused == []
        feed.state.offset = 0
        feed.state.save(folder)
    client = MlflowClient(uri)
    state = State.load(folder)
    assert state is not None
    (model_id,) = state.models.values()
    run = client.get_run(state.runs[""])
    assert [output.model_id for output in run.outputs.model_outputs] == [model_id]
    logged = client.get_logged_model(model_id)
    assert (logged.name, str(logged.status), logged.source_run_id) == ("bundle", "READY", state.runs[""])
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)  # which MLflow writes too
    mlflow.set_tracking_uri(uri)
    for address in (f"models:/{model_id}", f"runs:/{state.runs['']}/bundle"):
        pd.testing.assert_frame_equal(load(address).predict(rows), RowPredictor(bundle)(rows))
