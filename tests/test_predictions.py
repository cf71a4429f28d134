from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from harness.arrays import Arrays, Loader
from harness.data.load.resident import Resident
from harness.fold import Fold
from harness.predictions import draw, predictions
from harness.table import Table
from harness.task import Task

THREE = Task("multiclass", ("a", "b", "c"))
TWO = Task("binary", ("no", "yes"))
NUMBER = Task("regression")
FRAME = pd.DataFrame(
    {"x": range(6), "name": list("uvwxyz"), "ward": [1, 1, 2, 2, 3, 3], "y": ["a", "b", "c", "a", "b", "c"]}
)
TABLE = Table(FRAME, ("x",), ("y",), group="ward", id="name")
ROWS = np.array([1, 4, 5])


def part(task: Task, targets: Tensor) -> Loader:
    """The test part of rows 1, 4 and 5."""
    none = np.empty(0, dtype=np.int64)
    load = Resident(batch_size=2, eval_batch_size=2, shuffle=False)
    loaders = load(
        Arrays(torch.zeros(6, 1), targets, task), Fold(7, np.array([0]), none, ROWS), torch.device("cpu")
    )
    assert loaders.test is not None
    return loaders.test


def test_a_class_is_told_with_row_id_group_fold_and_probabilities() -> None:
    loader = part(THREE, torch.tensor([0, 1, 2, 0, 1, 2]))
    outputs = torch.tensor([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 9.0, 0.0]])
    told = predictions(TABLE, Fold(7, *[np.empty(0)] * 3), loader, outputs, THREE)
    assert list(told) == [
        "row",
        "name",
        "ward",
        "fold",
        "target",
        "prediction",
        "probability_a",
        "probability_b",
        "probability_c",
    ]
    assert told.row.tolist() == [1, 4, 5]
    assert told.name.tolist() == ["v", "y", "z"]
    assert told.ward.tolist() == [1, 3, 3]
    assert told.fold.tolist() == [7, 7, 7]
    assert told.target.tolist() == ["b", "b", "c"]
    assert told.prediction.tolist() == ["a", "b", "b"]
    assert told.probability_b.tolist() == pytest.approx(
        [np.exp(-9) / (1 + 2 * np.exp(-9)), *[1 / (1 + 2 * np.exp(-9))] * 2]
    )


def test_one_logit_is_told_as_two_classes() -> None:
    loader = part(TWO, torch.tensor([0, 1, 0, 1, 0, 1]))
    told = predictions(TABLE, Fold(0, *[np.empty(0)] * 3), loader, torch.tensor([-1.0, 0.5, 2.0]), TWO)
    assert told.target.tolist() == ["yes", "no", "yes"]
    assert told.prediction.tolist() == ["no", "yes", "yes"]
    assert (told.probability_no + told.probability_yes).tolist() == pytest.approx([1, 1, 1])


def test_a_number_is_told_in_its_own_unit() -> None:
    loader = part(NUMBER, torch.arange(6).float() * 10)
    told = predictions(TABLE, Fold(0, *[np.empty(0)] * 3), loader, torch.tensor([1.5, 2.5, 3.5]), NUMBER)
    assert list(told) == ["row", "name", "ward", "fold", "target", "prediction"]
    assert told.target.tolist() == [10, 40, 50]
    assert told.prediction.tolist() == [1.5, 2.5, 3.5]


def test_the_pictures_go_with_the_task(tmp_path: Path) -> None:
    classes = pd.DataFrame(
        {
            "target": ["no", "yes"],
            "prediction": ["no", "no"],
            "probability_no": [0.9, 0.6],
            "probability_yes": [0.1, 0.4],
        }
    )
    assert draw(classes, TWO, tmp_path) == ["confusion.png", "calibration.png"]
    numbers = pd.DataFrame({"target": [1.0, 2.0], "prediction": [1.1, 1.9]})
    assert draw(numbers, NUMBER, tmp_path) == ["residuals.png"]
    assert {path.name for path in tmp_path.iterdir()} == {"confusion.png", "calibration.png", "residuals.png"}


def test_a_row_without_a_label_has_no_target_and_is_in_no_picture(tmp_path: Path) -> None:
    loader = part(THREE, torch.tensor([0, 1, 2, 0, -1, 2]))
    told = predictions(TABLE, Fold(7, *[np.empty(0)] * 3), loader, torch.eye(3), THREE)
    assert told.target.isna().tolist() == [False, True, False]
    assert draw(told, THREE, tmp_path) == ["confusion.png", "calibration.png"]
