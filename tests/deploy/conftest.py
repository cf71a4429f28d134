from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from harness.bundle import bundle
from harness.core.arrays import Arrays
from harness.core.predictor import Predictor
from harness.core.table import Table
from harness.core.task import Task

ROWS = pd.DataFrame(
    {
        "patient": ["p1", "p2", "p3", "p4", "p5", "p6"],
        "age": [40, 50, 60, 70, 80, 90],
        "dose": [0.1, 0.25, 1.0, 2.0, 0.3333333333333333, 4.0],
        "ward": ["a", "bb", "ccc", "a", "bb", "ccc"],
        "outcome": ["well", "ill", "dead", "well", "ill", "dead"],
    }
)

FEATURES = ("age", "dose", "ward")


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[Any]:
    """The stand-ins as a module of the user's, in a folder that no package index knows."""
    path = tmp_path / "users_code" / "my_parts.py"
    path.parent.mkdir()
    shutil.copy(Path(__file__).with_name("standin.py"), path)
    spec = importlib.util.spec_from_file_location("my_parts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["my_parts"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["my_parts"]


@pytest.fixture
def config() -> dict[str, Any]:
    return {
        "seed": 0,
        "model": {"_target_": "my_parts.Tied", "_partial_": True, "width": 5},
        "data": {"transform": {"_target_": "my_parts.Scale", "label": "max"}},
        "trainer": {"_target_": "my_parts.Trainer", "device": "cuda:7"},
    }


Make = Callable[..., tuple[Path, Predictor, Any]]


@pytest.fixture
def make(tmp_path: Path, standin: Any, config: dict[str, Any]) -> Make:
    """Writes a bundle for a task and gives it with the predictor and the fitted transform."""

    def write(task: Task, head: bool = True, **change: Any) -> tuple[Path, Predictor, Any]:
        torch.manual_seed(0)
        table = Table(ROWS, FEATURES, target=("outcome",), group="patient")
        transform = standin.Scale(label="max")
        transform.fit(table, torch.arange(4).numpy(), task)
        arrays: Arrays = transform(table)
        model = standin.Tied(arrays.shape, width=5)
        model(arrays.inputs)  # moves the statistics of the batch norm
        whole = standin.Trainer(device="cpu").build_head(5, task) if head else None
        predictor = Predictor(model, whole, task, **change)
        folder = tmp_path / "bundle"
        state = transform.state()
        bundle.write(
            folder,
            predictor=predictor,
            table=table,
            inputs=arrays.shape,
            transform_state=state,
            config=config,
        )
        return folder, predictor, transform

    return write


@pytest.fixture
def rows() -> pd.DataFrame:
    return ROWS.copy()
