"""harness/evaluate/resampled_scores.py: scores of resampled rows against the evaluator on repeated rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.core.task import Task
from harness.evaluate.classification import Classification
from harness.evaluate.multilabel import Multilabel
from harness.evaluate.regression import Regression
from harness.evaluate.resampled_scores import Pool, ResampledScores
from harness.evaluate.row_scores import as_pooled

CLASSES, TWO = Task("multiclass", ("a", "b", "c")), Task("binary", ("no", "yes"))
LABELS = Task("multilabel", ("x", "y"))
NUMBER, NUMBERS = Task("regression"), Task("regression", (), ("u", "v"))
FOLD = np.repeat([0, 1], [18, 12])


def rows(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Targets and outputs of 30 rows, some of which have equal outputs."""
    random = np.random.default_rng(3)
    wide = (30,) if task in (TWO, NUMBER) else (30, task.outputs)
    outputs = np.round(random.normal(size=wide), 1)
    if task.classification:
        return random.integers(0, len(task.classes), 30), outputs.astype(np.float32)
    if task.kind == "multilabel":
        return random.integers(0, 2, wide).astype(np.float32), outputs.astype(np.float32)
    return outputs + random.normal(size=wide), outputs


def by_hand(
    pool: Pool, task: Task, data: tuple[np.ndarray, np.ndarray], name: str, count: np.ndarray
) -> float:
    """The mean over the folds of the score of repeated rows, weighted by how many rows were drawn."""
    values, weights = [], []
    for fold in (0, 1):
        drawn = np.repeat(np.arange(30), np.where(fold == FOLD, count, 0))
        target, output = (torch.from_numpy(array[drawn]) for array in data)
        values.append(pool(as_pooled(output, task), target)[name])
        weights.append(len(drawn) / (fold == FOLD).sum())
    return float(np.average(values, weights=weights))


@pytest.mark.parametrize(
    ("task", "evaluator", "quick"),
    [
        (CLASSES, Classification(), {"accuracy", "log_loss", "f1", "auroc"}),
        (TWO, Classification(), {"accuracy", "log_loss", "f1", "auroc"}),
        (LABELS, Multilabel(), {"accuracy", "exact_match"}),
        (NUMBER, Regression(), {"rmse", "mae", "r2"}),
        (NUMBERS, Regression(), {"rmse", "mae", "r2"}),
    ],
)
def test_every_score_equals_that_of_repeated_rows(task: Task, evaluator: object, quick: set[str]) -> None:
    pool: Pool = evaluator.pool  # type: ignore[attr-defined]
    counts = np.random.default_rng(0).multinomial(30, np.full(30, 1 / 30), size=4)
    data = rows(task)
    for name in (name for name in evaluator.names if name != "loss"):  # type: ignore[attr-defined]
        scores = ResampledScores(task, FOLD, data[0], [data[1]], pool, name)
        assert scores.quick == (name in quick), name
        wanted = [by_hand(pool, task, data, name, count) for count in counts]
        assert scores(0, counts.astype(float)) == pytest.approx(wanted, rel=1e-9), name
        assert scores.full[0] == pytest.approx(by_hand(pool, task, data, name, np.ones(30, dtype=int)))


def test_a_score_of_the_same_name_that_is_defined_otherwise_is_computed_by_its_evaluator() -> None:
    def pool(predicted: torch.Tensor, target: torch.Tensor) -> dict[str, float]:
        return {"accuracy": float((predicted.argmax(dim=1) != target).double().mean())}

    target, output = rows(CLASSES)
    scores = ResampledScores(CLASSES, FOLD, target, [output], pool, "accuracy")
    assert not scores.quick
    own = ResampledScores(CLASSES, FOLD, target, [output], Classification().pool, "accuracy")
    assert scores.full[0] == pytest.approx(1 - own.full[0])
    with pytest.raises(KeyError):
        ResampledScores(CLASSES, FOLD, target, [output], pool, "loss")


def test_a_fold_that_a_resample_leaves_out_does_not_count() -> None:
    target, output = rows(NUMBER)
    scores = ResampledScores(NUMBER, FOLD, target, [output], Regression().pool, "mae")
    counts = np.stack([FOLD == 1, FOLD == 2]).astype(float)
    first, none = scores(0, counts)
    assert first == pytest.approx(np.abs(target - output)[FOLD == 1].mean())
    assert np.isnan(none)


def test_a_model_that_is_moved_has_the_given_score_and_the_spread_of_its_rows() -> None:
    target, output = rows(NUMBER)
    scores = ResampledScores(NUMBER, FOLD, target, [output, 2 * output], Regression().pool, "rmse")
    before, counts = scores.full, np.random.default_rng(1).multinomial(30, np.full(30, 1 / 30), size=5)
    drawn = [scores(model, counts) for model in (0, 1)]
    for _ in range(2):  # the second time changes nothing
        scores.move_to([before[0] + 1, before[1] - 0.25])
        assert scores.full == pytest.approx([before[0] + 1, before[1] - 0.25])
        assert scores(0, counts) == pytest.approx(drawn[0] + 1)
        assert scores(1, counts) == pytest.approx(drawn[1] - 0.25)
