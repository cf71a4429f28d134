"""Raw rows of every kind: what a data source gives is what the model is asked with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from harness.bundle import bundle, raw_rows
from harness.bundle.row_predictor import RowPredictor
from harness.config.compose import compose_exactly
from harness.config.instantiate import build
from harness.core.errors import UserError
from harness.core.predictor import Predictor
from harness.core.table import Table
from harness.tracking import mlflow_model
from harness.tracking.mlflow_store import prepare

EVENTS = pd.DataFrame(
    {
        "patient": ["b", "a", "b", "a", "c", "b"],
        "day": [3, 1, 1, 2, 1, 2],
        "dose": [3.0, 0.5, 1.0, 0.25, 9.0, 2.0],
        "drug": ["x", "y", "x", "x", "y", "y"],
        "well": [1, 0, 1, 0, 0, 1],
    }
)


Write = Callable[..., tuple[RowPredictor, np.ndarray]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "bundle"


@pytest.fixture
def write(folder: Path, standin: Any) -> Write:
    """Writes a bundle of a model without a head; what predicts from it, and what the model says of each row.

    `holds` answers the transform that asks whether files may be decoded ahead.
    """

    def do(
        table: Table, choose: str, holds: bool = False, **settings: Any
    ) -> tuple[RowPredictor, np.ndarray]:
        composed: Any = OmegaConf.to_container(compose_exactly([f"data/transform={choose}"]))
        node = {**composed["data"]["transform"], **settings}
        transform: Any = build(node, "data.transform")
        if hasattr(transform, "arrange"):
            table = transform.arrange(table, lambda size: holds)
        transform.fit(table, np.arange(len(table)), table.task)
        arrays = transform(table)
        torch.manual_seed(0)
        predictor = Predictor(standin.Flat(arrays.shape), None, table.task)
        bundle.write(
            folder,
            predictor=predictor,
            table=table,
            inputs=arrays.shape,
            transform_state=transform.state(),
            config={
                "model": {"_target_": "my_parts.Flat", "_partial_": True},
                "data": {"transform": node},
                "trainer": {"_target_": "my_parts.Trainer", "device": "cpu"},
            },
        )
        predicted = predictor(arrays.take(np.arange(len(table)))).representation
        return RowPredictor(folder), predicted.double().numpy()

    return do


def pictures(count: int = 5) -> np.ndarray:
    """(N, 3, 4, 6) uint8."""
    return np.random.default_rng(0).integers(0, 256, (count, 3, 4, 6), dtype=np.uint8)


def beside(array: np.ndarray, **columns: Any) -> Table:
    frame = pd.DataFrame(columns, index=pd.RangeIndex(len(array)))
    kinds: dict[int, Any] = {2: "table", 3: "sequence", 4: "image"}
    return Table(frame, (), kind=kinds[array.ndim], array=array)


@pytest.mark.parametrize(
    ("array", "transform"),
    [
        (pictures(), "image"),
        (np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32), "tabular"),
        (np.random.default_rng(0).normal(size=(5, 3, 2)), "sequence"),
    ],
)
@pytest.mark.parametrize("as_lists", [False, True])
def test_an_array_beside_the_table_is_a_column_of_arrays(
    write: Write, folder: Path, array: np.ndarray, transform: str, as_lists: bool
) -> None:
    predict, expected = write(beside(array), transform)
    rows = pd.DataFrame({"array": array.tolist() if as_lists else list(array)}, index=list("vwxyz"))
    found = predict(rows)
    np.testing.assert_allclose(found.to_numpy(), expected, rtol=1e-6, atol=1e-6)
    assert list(found.index) == list("vwxyz")
    assert predict.bundle.columns == {"array": str(array.dtype)}
    assert predict.bundle.array == array.shape[1:]
    example = pd.read_json(folder / "example.json", orient="table")
    np.testing.assert_allclose(predict(example).to_numpy(), expected[:3], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        (np.zeros((3, 4, 5)), r"one of shape \(3, 4, 5\)"),
        ([[1, 2], [3]], "no array of numbers"),
        ([["a"]], "no array of numbers"),
        (None, "no array of numbers"),
    ],
)
def test_a_cell_that_is_no_such_array_is_named_by_its_row(write: Write, cell: Any, found: str) -> None:
    predict, _ = write(beside(pictures()), "image")
    words = (
        rf"^column 'array' must hold an array of numbers of shape \(3, 4, 6\) in each row, as in "
        rf"training, and row 1 holds {found}; give rows as the data source gives them\.$"
    )
    with pytest.raises(UserError, match=words):
        predict(pd.DataFrame({"array": [pictures(1)[0], cell]}))


@pytest.mark.parametrize("holds", [False, True])
@pytest.mark.parametrize("encoded", [False, True])
def test_files_are_given_as_the_source_gives_them_however_they_were_decoded_in_training(
    write: Write, folder: Path, tmp_path: Path, holds: bool, encoded: bool
) -> None:
    column: list[Any] = []
    for number, pixels in enumerate(pictures()):
        path = tmp_path / f"patient_meyer_{number}.png"
        Image.fromarray(pixels.transpose(1, 2, 0)).save(path)
        column.append(path.read_bytes() if encoded else str(path))
    frame = pd.DataFrame({"scan": column})
    predict, expected = write(Table(frame, ("scan",), kind="image"), "image", holds)
    np.testing.assert_allclose(predict(frame).to_numpy(), expected, rtol=1e-6, atol=1e-6)
    assert list(predict.bundle.columns) == ["scan"]
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert "example.json" not in {path.name for path in written}
    assert not any(b"meyer" in path.read_bytes() for path in written)


def test_large_arrays_go_without_an_example() -> None:
    assert raw_rows.example(beside(np.zeros((4, 1, 150, 150), np.uint8)), 3) is None
    small = raw_rows.example(beside(np.zeros((4, 1, 100, 100), np.uint8)), 3)
    assert small is not None
    assert np.shape(small["array"].tolist()) == (3, 1, 100, 100)


def test_events_are_answered_once_per_sequence(write: Write) -> None:
    table = Table(EVENTS, ("dose", "drug"), ("well",), id="patient", time="day", kind="sequence")
    predict, expected = write(table, "sequence", length=2)
    found = predict(EVENTS.drop(columns="well").sample(frac=1, random_state=1))
    assert list(found.index) == ["a", "b", "c"]
    assert found.index.name == "patient"
    np.testing.assert_allclose(found.to_numpy(), expected, rtol=1e-6, atol=1e-6)
    alone = predict(EVENTS[EVENTS["patient"] == "b"])
    pd.testing.assert_frame_equal(alone, found.loc[["b"]])
    with pytest.raises(UserError, match=r"needs the 4 columns .* and 1 is missing: 'day'; give"):
        predict(EVENTS.drop(columns="day"))


def test_windows_are_answered_one_by_one(write: Write) -> None:
    table = Table(EVENTS, ("dose", "drug"), ("well",), id="patient", time="day", kind="sequence")
    predict, expected = write(table, "sequence", length=2, step=1, target="last")
    found = predict(EVENTS)
    assert list(found.index) == ["a", "b", "b", "c"]
    np.testing.assert_allclose(found.to_numpy(), expected, rtol=1e-6, atol=1e-6)


def test_the_example_of_events_numbers_the_ids(write: Write, folder: Path) -> None:
    table = Table(EVENTS, ("dose", "drug"), ("well",), id="patient", time="day", kind="sequence")
    predict, expected = write(table, "sequence")
    example = pd.read_json(folder / "example.json", orient="table")
    assert example.to_dict("list") == {
        "dose": [0.5, 0.25, 1.0, 2.0, 3.0, 9.0],
        "drug": ["y", "x", "x", "y", "x", "y"],
        "patient": [0, 0, 1, 1, 1, 2],
        "day": [1, 2, 1, 2, 3, 1],
    }
    np.testing.assert_allclose(predict(example).to_numpy(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's use of SQLAlchemy
def test_mlflow_takes_arrays(write: Write, folder: Path, tmp_path: Path) -> None:
    prepare()
    predict, _ = write(beside(pictures()), "image")
    mlflow_model.save(tmp_path / "model", folder)  # which silences what MLflow warns of at its import
    import mlflow.pyfunc

    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert loaded.metadata.signature.inputs.input_names() == ["array"]
    for rows in (pd.DataFrame({"array": list(pictures())}), loaded.input_example):
        pd.testing.assert_frame_equal(loaded.predict(rows), predict(rows))
