"""Exports of whole runs, and a stranger that uses them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.bundle.ensemble import open_predictor
from harness.bundle.ensemble import write as put_together
from harness.core.errors import UserError
from harness.deploy.export import export_model as module
from harness.deploy.export import pt2
from harness.deploy.export.check_export import HALF, numbers
from harness.deploy.export.export_model import write

STRANGER = """
import json, sys
sys.modules.update(dict.fromkeys(["harness", "torch", "pandas", "sklearn"]))  # importing one fails
import numpy as np, onnxruntime
for folder in sys.argv[1:]:
    description = json.load(open(folder + "/preprocessing.json"))
    columns = json.load(open(folder + "/rows.json"))
    feed = {}
    for given in description["inputs"]:
        names = [c if isinstance(c, str) else c["column"] for c in given["columns"]]
        if given["name"] == "numbers":
            nan = float("nan")
            feed["numbers"] = np.array([[nan if v is None else v for v in columns[n]] for n in names]).T
        if given["name"] == "categories":
            codes = [
                [c["missing"] if v is None else c["codes"].get(v, c["unknown"]) for v in columns[c["column"]]]
                for c in given["columns"]
            ]
            feed["categories"] = np.array(codes, "int64").T
        if given["name"] == "pixels":
            pixels = np.array([columns[n] for n in names], "float32").T
            feed["pixels"] = pixels.reshape(-1, *given["shape"][1:])
    session = onnxruntime.InferenceSession(folder + "/" + description["file"])
    first = description["outputs"][0]["name"]
    answer, = session.run([first], feed)
    assert list(answer.shape[1:]) == description["outputs"][0]["shape"][1:]
    np.save(folder + "/answer.npy", answer)
"""


def wards(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {"age": rng.integers(20, 90, 90).astype(float), "ward": rng.choice(["a", "b", "c"], 90)}
    )
    rows["outcome"] = np.where((rows["age"] > 55) | (rows["ward"] == "a"), "ill", "well")
    rows.to_csv(folder / "wards.csv", index=False)
    return folder / "wards.csv"


@pytest.mark.slow
def test_an_export_predicts_without_harness(finished: Callable[..., Path], tmp_path: Path) -> None:
    words = (f"data.extract.path={wards(tmp_path)}", "data.extract.target=outcome")
    runs = [finished(), finished("data/extract=diabetes"), finished("data/extract=csv", *words)]
    odd = pd.DataFrame({"age": [33.5, None, 80.0], "ward": ["b", "c", "elsewhere"]})
    wanted, folders = [], []
    for number, run in enumerate(runs):
        rows = odd if number == 2 else pd.read_json(run / "model" / "example.json", orient="table")
        reader = open_predictor(run / "model")
        wanted.append(numbers(reader(rows), reader.bundle))
        folders.append(tmp_path / f"export {number}")
        assert write(run / "model", "onnx", folders[-1], rows).checked.passed
        columns = json.loads(rows.to_json(orient="columns"))
        plain = {name: list(values.values()) for name, values in columns.items()}
        (folders[-1] / "rows.json").write_text(json.dumps(plain))
    subprocess.run([sys.executable, "-c", STRANGER, *map(str, folders)], check=True)
    for folder, answers in zip(folders, wanted, strict=True):
        np.testing.assert_allclose(np.load(folder / "answer.npy"), answers, rtol=1e-5, atol=1e-5)
    content = json.loads((folders[2] / "preprocessing.json").read_text())
    assert (content["schema"], content["classes"]) == (1, ["ill", "well"])
    assert content["inputs"][1]["columns"][0]["codes"] == {"a": 0, "b": 1, "c": 2}
    assert content["checked"]["rows"] == 3


def test_weights_alone_are_described_with_every_constant(
    finished: Callable[..., Path], tmp_path: Path
) -> None:
    from safetensors.numpy import load_file

    run = finished("data/extract=breast_cancer")
    rows = pd.read_json(run / "model" / "example.json", orient="table")
    made = write(run / "model", "safetensors", tmp_path / "out", rows)
    assert made.checked.difference == 0
    content = json.loads((tmp_path / "out" / "preprocessing.json").read_text())
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert {name: list(values.shape) for name, values in weights.items()} == {
        name: facts["shape"] for name, facts in content["tensors"].items()
    }
    values = rows[[column["column"] for column in content["inputs"][0]["columns"]]].to_numpy()
    (scale,) = [step for step in content["steps"] if "divide" in step]
    hidden = ((values - scale["subtract"]) / scale["divide"]).astype(np.float32)
    for layer in (0, 4):  # linear, norm, activation, dropout
        hidden = np.maximum(
            hidden @ weights[f"model.layers.{layer}.weight"].T + weights[f"model.layers.{layer}.bias"], 0
        )
    logit = (hidden @ weights["head.0.weight"].T + weights["head.0.bias"])[:, 0]
    wanted = open_predictor(run / "model")(rows)[f"probability_{content['classes'][1]}"]
    np.testing.assert_allclose(1 / (1 + np.exp(-logit)), wanted, atol=1e-6)


def test_what_differs_is_not_kept(
    finished: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = pt2.run
    monkeypatch.setattr(pt2, "run", lambda path, feed: [values + 0.01 for values in right(path, feed)])
    run = finished("data/extract=diabetes")
    rows = pd.read_json(run / "model" / "example.json", orient="table")
    made = write(run / "model", "pt2", tmp_path / "deep" / "out", rows)
    assert not made.checked.passed
    assert made.checked.difference > 0.009 / 4
    assert not list(tmp_path.iterdir())


def test_a_model_of_bfloat16_is_compared_with_what_it_answers_too(
    finished: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = tmp_path / "model"
    shutil.copytree(finished("data/extract=diabetes") / "model", bundle)
    facts: dict[str, Any] = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**facts, "autocast": "bfloat16"}))
    rows = pd.read_json(bundle / "example.json", orient="table")
    checked = write(bundle, "safetensors", tmp_path / "out", rows).checked
    assert checked.difference == 0
    assert 1e-6 < checked.answers < HALF == checked.allowed


def test_an_ensemble_is_one_graph_and_no_single_set_of_weights(
    finished: Callable[..., Path], tmp_path: Path
) -> None:
    run = finished("data/extract=breast_cancer", "split=kfold", "split.folds=3")
    put_together(tmp_path / "both", [run / f"fold-{number}" / "model" for number in range(3)])
    rows = pd.read_json(run / "fold-0" / "model" / "example.json", orient="table")
    made = write(tmp_path / "both", "pt2", tmp_path / "out", rows)
    assert made.checked.answers < 1e-6
    assert len(made.description["members"]) == 3
    with pytest.raises(
        UserError, match=r"holds the weights of one model, and this is an ensemble; name one fold"
    ):
        write(tmp_path / "both", "safetensors", tmp_path / "other", rows)
    assert not (tmp_path / "other").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("all my work")
    with pytest.raises(
        UserError, match=r"^an export needs a folder of its own, and .* contains thesis.tex; "
    ):
        module.require("pt2", tmp_path)
    module.require("pt2", tmp_path / "new")


def test_a_folder_with_anything_but_an_export_is_left_alone(tmp_path: Path) -> None:
    for name in ("preprocessing.json", "model.pt2", "notes.txt"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"^an export needs a folder of its own, and .* contains notes.txt; "):
        module.require("pt2", tmp_path)
    (tmp_path / "notes.txt").unlink()
    module.require("pt2", tmp_path)
