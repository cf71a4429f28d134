"""Models of MLflow and caches from elsewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from harness.bundle import allowlist
from harness.core.task import Task
from harness.data.cache.cache_store import SEAL, Store
from harness.data.cache.table_files import read_arrays
from harness.runs.outputs import Outputs
from tests.hostile.test_files import Attack


@pytest.fixture
def model(theirs: Path, here: Path) -> Path:
    """A model as MLflow stores it, with code and a description of somebody else's."""
    folder = here / "model-of-theirs"
    shutil.copytree(theirs / "model", folder / "artifacts" / "bundle")
    (folder / "code" / "evil").mkdir(parents=True)
    (folder / "code" / "evil" / "__init__.py").write_text("open('ATTACKED', 'w')\nclass Net: ...\n")
    (folder / "MLmodel").write_text(
        "flavors: {python_function: {loader_module: evil, code: code}}\n"
        "x: !!python/object/apply:os.system ['touch ATTACKED']\n"
    )
    return folder


@pytest.mark.parametrize(
    "target", ["evil.Net", "code.evil.Net", "harness.deploy.pyfunc_model.mlflow.os.system"]
)
def test_the_code_of_a_model_is_not_run(target: str, model: Path, here: Path, refused_by: Any) -> None:
    facts = model / "artifacts" / "bundle" / "bundle.json"
    content = json.loads(facts.read_text())
    content["config"]["model"]["_target_"] = target
    facts.write_text(json.dumps(content))
    (here / "rows.csv").write_text("mean radius\n1\n")
    error = refused_by("predict", str(model), "rows.csv", "out.csv")
    assert f"model._target_={target}" in error
    refused_by("export", str(model), "--format", "safetensors", "--out", "export")
    assert not (here / "export").exists()


def test_the_description_of_a_model_is_not_looked_at(model: Path, here: Path, run_cli: Any) -> None:
    """The bundle says all, so nothing else of the model is read."""
    columns = json.loads((model / "artifacts" / "bundle" / "bundle.json").read_text())["columns"]
    (here / "rows.csv").write_text(",".join(columns) + "\n" + ",".join(["1"] * len(columns)) + "\n")
    answer = run_cli("predict", str(model), "rows.csv", "out.csv")
    assert answer.status == 0, answer.err


def test_the_cache_of_a_folder_is_not_used(theirs: Path, here: Path) -> None:
    file = theirs / "config.yaml"
    config: Any = OmegaConf.load(file)
    OmegaConf.update(config, "data.cache.folder", "theirs/cache", force_add=True)
    OmegaConf.update(config, "tracking", {"_target_": "os.system", "command": "touch ATTACKED"}, merge=False)
    OmegaConf.save(config, file)
    taken = allowlist.adopted(Outputs(Path("outputs")).find("theirs"), Path("outputs")).config
    assert taken.data.cache.folder == "outputs/cache"
    assert taken.tracking._target_ == "harness.tracking.mlflow.Mlflow"


def test_a_cache_unpickles_nothing(here: Path, marker: Path) -> None:
    np.save(here / "inputs.npy", np.array([Attack()], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        read_arrays(here, Task("regression", (), ("y",)))


@pytest.mark.parametrize("content", ["[]", '{"inputs.npy": 1}', '{"../../secret": 9}', "\x00", '"text"'])
def test_a_damaged_entry_of_a_cache_is_none(content: str, here: Path) -> None:
    (here / "entry").mkdir()
    (here / "entry" / SEAL).write_text(content)
    assert Store(here, 2**20).find("entry") is None
