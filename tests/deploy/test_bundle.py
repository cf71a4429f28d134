from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from harness.bundle import bundle
from harness.core.predictor import Predictor
from harness.core.table import Table
from harness.core.task import Task

CLASSES = Task("multiclass", ("dead", "ill", "well"))
NUMBERS = Task("regression", columns=("weight", "pulse"))
LABELS = Task("multilabel", ("hot", "wet"))


@pytest.mark.parametrize("task", [CLASSES, NUMBERS, LABELS])
def test_the_facts_come_back_as_they_were(make: Any, config: dict[str, Any], task: Task) -> None:
    folder, _, _ = make(task, autocast=torch.bfloat16)
    facts = bundle.read(folder)
    assert facts.config == config
    assert facts.task == task
    assert facts.columns == {"age": "int64", "dose": "float64", "ward": "str"}
    assert (facts.kind, facts.image, facts.inputs, facts.width) == ("table", None, (3,), 5)
    assert (facts.head, facts.autocast) == (True, "bfloat16")
    assert (facts.array, facts.id, facts.time) == (None, None, None)


@pytest.mark.parametrize(
    ("task", "head", "names"),
    [
        (CLASSES, True, ["prediction", "probability_dead", "probability_ill", "probability_well"]),
        (Task("binary", ("no", "yes")), True, ["prediction", "probability_no", "probability_yes"]),
        (Task("regression"), True, ["prediction"]),
        (NUMBERS, True, ["prediction_weight", "prediction_pulse"]),
        (LABELS, True, ["prediction_hot", "prediction_wet", "probability_hot", "probability_wet"]),
        (CLASSES, False, [f"representation_{i}" for i in range(5)]),
    ],
)
def test_the_columns_of_a_prediction_follow_from_the_task(
    make: Any, task: Task, head: bool, names: list[str]
) -> None:
    folder, _, _ = make(task, head)
    assert list(bundle.read(folder).outputs) == names
    assert list(json.loads((folder / "bundle.json").read_text())["outputs"]) == names


def test_the_example_holds_features_and_nothing_that_names_a_patient(make: Any, rows: pd.DataFrame) -> None:
    folder, _, _ = make(CLASSES)
    example = pd.read_json(folder / "example.json", orient="table")
    pd.testing.assert_frame_equal(example, rows[["age", "dose", "ward"]].head(3))
    text = "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())
    assert "p1" not in text


def test_rows_of_bytes_go_without_an_example(tmp_path: Path, standin: Any, config: dict[str, Any]) -> None:
    table = Table(pd.DataFrame({"png": [b"\xff\x00", b"\xff"]}), ("png",))
    predictor = Predictor(standin.Tied((3,), width=5), None, Task("none"))
    bundle.write(tmp_path, predictor=predictor, table=table, inputs=(3,), transform_state={}, config=config)
    assert not (tmp_path / "example.json").exists()
    assert bundle.read(tmp_path).columns == {"png": "object"}


def test_no_file_is_a_pickle(make: Any) -> None:
    folder, _, _ = make(CLASSES)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    transform = {"transform/state.json", "transform/0.bin"}
    assert names == {"weights.safetensors", "bundle.json", "example.json"} | transform


def test_an_unfinished_bundle_is_none(make: Any) -> None:
    folder, _, _ = make(CLASSES)
    (folder / "bundle.json").unlink()
    with pytest.raises(FileNotFoundError):
        bundle.read(folder)


def test_a_compiled_model_is_stored_under_its_own_names(standin: Any) -> None:
    model = standin.Tied((3,), width=5)
    wrapped = torch.nn.Module()
    wrapped._orig_mod = model
    assert bundle.network(wrapped, None)["model"] is model
