from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from harness.core.arrays import Arrays, Loader
from harness.core.fold import Fold
from harness.core.table import Table
from harness.core.task import Task
from harness.data.load.resident import Resident
from harness.record.plots import predicted
from harness.record.predictions import FoldPredictions, fold_predictions, pool, predictions
from harness.report.predicted_rows import PredictedRows

THREE = Task("multiclass", ("a", "b", "c"))
TWO = Task("binary", ("no", "yes"))
NUMBER = Task("regression")
NUMBERS = Task("regression", columns=("kg", "cm"))
LABELS = Task("multilabel", ("hot", "wet"))
FOLD = Fold(0, *[np.empty(0)] * 3)
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


def test_a_class_has_row_id_group_fold_and_probabilities() -> None:
    loader = part(THREE, torch.tensor([0, 1, 2, 0, 1, 2]))
    outputs = torch.tensor([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 9.0, 0.0]])
    found = predictions(TABLE, Fold(7, *[np.empty(0)] * 3), loader, outputs, THREE)
    assert list(found) == [
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
    assert found.row.tolist() == [1, 4, 5]
    assert found.name.tolist() == ["v", "y", "z"]
    assert found.ward.tolist() == [1, 3, 3]
    assert found.fold.tolist() == [7, 7, 7]
    assert found.target.tolist() == ["b", "b", "c"]
    assert found.prediction.tolist() == ["a", "b", "b"]
    assert found.probability_b.tolist() == pytest.approx(
        [np.exp(-9) / (1 + 2 * np.exp(-9)), *[1 / (1 + 2 * np.exp(-9))] * 2]
    )


def test_an_id_or_group_may_be_named_like_a_column_of_ours() -> None:
    frame = FRAME.rename(columns={"name": "fold", "ward": "row"})
    table = Table(frame, ("x",), ("y",), group="row", id="fold")
    found = predictions(table, FOLD, part(THREE, torch.tensor([0, 1, 2, 0, 1, 2])), torch.eye(3), THREE)
    assert list(found.columns[:4]) == ["row", "id_fold", "group_row", "fold"]
    assert found["row"].tolist() == ROWS.tolist()
    assert found["id_fold"].tolist() == ["v", "y", "z"]
    assert found["group_row"].tolist() == [1, 3, 3]
    assert found["fold"].tolist() == [0, 0, 0]


def test_one_logit_becomes_two_classes() -> None:
    loader = part(TWO, torch.tensor([0, 1, 0, 1, 0, 1]))
    found = predictions(TABLE, Fold(0, *[np.empty(0)] * 3), loader, torch.tensor([-1.0, 0.5, 2.0]), TWO)
    assert found.target.tolist() == ["yes", "no", "yes"]
    assert found.prediction.tolist() == ["no", "yes", "yes"]
    assert (found.probability_no + found.probability_yes).tolist() == pytest.approx([1, 1, 1])


def test_a_number_is_in_its_own_unit() -> None:
    loader = part(NUMBER, torch.arange(6).float() * 10)
    found = predictions(TABLE, Fold(0, *[np.empty(0)] * 3), loader, torch.tensor([1.5, 2.5, 3.5]), NUMBER)
    assert list(found) == ["row", "name", "ward", "fold", "target", "prediction"]
    assert found.target.tolist() == [10, 40, 50]
    assert found.prediction.tolist() == [1.5, 2.5, 3.5]


def test_several_numbers_have_a_target_and_a_prediction_each() -> None:
    targets = torch.tensor([[0.0, 0], [1, 10], [2, 20], [3, 30], [4, torch.nan], [5, 50]])
    found = predictions(
        TABLE, FOLD, part(NUMBERS, targets), torch.tensor([[1.5, 11], [4.5, 41], [5.5, 51]]), NUMBERS
    )
    assert list(found)[4:] == ["target_kg", "target_cm", "prediction_kg", "prediction_cm"]
    assert found.target_kg.tolist() == [1, 4, 5]
    assert found.target_cm.tolist() == pytest.approx([10, np.nan, 50], nan_ok=True)
    assert found.prediction_cm.tolist() == [11, 41, 51]


def test_labels_are_written_as_0_and_1_with_a_probability_each() -> None:
    targets = torch.tensor([[0.0, 0], [1, 0], [0, 0], [0, 0], [0, torch.nan], [1, 1]])
    outputs = torch.tensor([[2.0, -1.0], [-2.0, 0.5], [0.1, 3.0]])
    found = predictions(TABLE, FOLD, part(LABELS, targets), outputs, LABELS)
    names = ["target_hot", "target_wet", "prediction_hot", "prediction_wet"]
    assert list(found)[4:] == [*names, "probability_hot", "probability_wet"]
    expected = "1,0,1,0\n0,,0,1\n1,1,1,1\n"
    assert found[names].to_csv(index=False, header=False) == expected
    assert found.probability_wet.tolist() == pytest.approx([1 / (1 + np.exp(-z)) for z in (-1.0, 0.5, 3.0)])


def test_what_is_pooled_are_log_probabilities_or_numbers() -> None:
    logits = torch.tensor([[2.0, -1.0], [-2.0, 0.5], [0.1, 3.0]])
    flags = pd.DataFrame({"x": range(6), "hot": [0, 1] * 3, "wet": [0, 0, 1] * 2})
    labels = Table(flags, ("x",), ("hot", "wet"))
    found = fold_predictions(labels, FOLD, part(LABELS, torch.zeros(6, 2)), logits)
    torch.testing.assert_close(found.outputs.exp(), logits.double().sigmoid())
    assert not found.numbers
    numbers = Table(flags, ("x",), ("hot", "wet"), aim="regression")
    found = fold_predictions(numbers, FOLD, part(NUMBERS, torch.zeros(6, 2)), logits)
    assert found.outputs.tolist() == logits.double().tolist()
    assert found.numbers
    twice = pool(
        [found, found._replace(outputs=found.outputs + 4)], lambda outputs, _: {"sum": outputs.sum().item()}
    )
    assert twice["sum"] == pytest.approx(logits.sum().item() + 2 * 6)


def test_labels_of_a_row_predicted_twice_count_with_their_mean_probabilities() -> None:
    frame = pd.DataFrame({"row": [3, 1]})
    chances = torch.tensor([[[0.2, 0.4], [0.9, 0.1]], [[0.4, 0.8], [0.5, 0.3]]], dtype=torch.float64)
    answers = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    seen: list[list[list[float]]] = []

    def measure(outputs: Tensor, targets: Tensor) -> dict[str, float]:
        seen.extend([outputs.exp().tolist(), targets.tolist()])
        return {}

    pool([FoldPredictions(frame, chance.log(), answers, False) for chance in chances], measure)
    np.testing.assert_allclose(seen[0], [[0.7, 0.2], [0.3, 0.6]])
    assert seen[1] == [[0, 1], [1, 0]]


NUMBER_ROWS = pd.DataFrame({"target": [1.0, 2.0], "prediction": [1.1, 1.9]})
NUMBERS_ROWS = pd.DataFrame(
    {"target_kg": [1.0], "target_cm": [2.0], "prediction_kg": [1.5], "prediction_cm": [2.5]}
)
CLASS_ROWS = pd.DataFrame(
    {
        "target": ["no", "yes", None],
        "prediction": ["no", "no", "yes"],
        "probability_no": [0.9, 0.6, 0.2],
        "probability_yes": [0.1, 0.4, 0.8],
    }
)
LABEL_ROWS = pd.DataFrame(
    {"target_hot": [1, 0], "target_wet": [None, 1], "prediction_hot": [1, 0], "prediction_wet": [0, 0]},
    dtype="Int64",
).assign(probability_hot=[0.9, 0.1], probability_wet=[0.2, 0.3])


@pytest.mark.parametrize(
    ("frame", "kind", "files"),
    [
        (NUMBER_ROWS, "number", ["residuals.svg"]),
        (NUMBERS_ROWS, "numbers", ["residuals.svg"]),
        (CLASS_ROWS, "classes", ["confusion.svg", "calibration.svg"]),
        (LABEL_ROWS, "labels", ["calibration.svg"]),
        (CLASS_ROWS.tail(1), "classes", []),  # no row has a label
    ],
)
def test_the_pictures_go_with_what_was_predicted(
    tmp_path: Path, frame: pd.DataFrame, kind: str, files: list[str]
) -> None:
    rows = PredictedRows(frame)
    assert rows.kind == kind
    assert predicted(rows, tmp_path) == files
    assert {path.name for path in tmp_path.iterdir()} == set(files)
    assert all(path.read_text().startswith("<svg ") for path in tmp_path.iterdir())


def test_a_row_without_a_label_has_no_target_and_is_not_counted() -> None:
    loader = part(THREE, torch.tensor([0, 1, 2, 0, -1, 2]))
    found = predictions(TABLE, Fold(7, *[np.empty(0)] * 3), loader, torch.eye(3), THREE)
    assert found.target.isna().tolist() == [False, True, False]
    assert PredictedRows(found).counts.tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 1]]


def test_calibration_of_labels_takes_every_label_whose_value_is_known() -> None:
    bins = PredictedRows(LABEL_ROWS, bins=10).calibration
    assert bins is not None
    assert bins.counts.tolist() == [1, 1, 1]
    assert bins.confidence.tolist() == pytest.approx([0.1, 0.3, 0.9])
    assert bins.accuracy.tolist() == [0, 1, 1]
