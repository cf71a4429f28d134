"""Rare classes count more, by the training rows alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from harness.core.errors import UserError
from harness.core.task import Task
from harness.loss.binary import BinaryCrossEntropy
from harness.loss.focal import Focal
from harness.runtime import distributed
from harness.trainer.class_weights import check_weights, share_correction, weigh

Make = Callable[..., Any]
THREE = Task("multiclass", ("a", "b", "c"))
TWO = Task("binary", ("no", "yes"))
LABELS = Task("multilabel", ("x", "y", "z"))
NUMBER = Task("regression")


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    codes = np.array([0] * 7 + [1] * 2 + [2] * 1)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=codes)
    loss = nn.CrossEntropyLoss()
    weigh("balanced", loss, THREE, torch.from_numpy(codes))
    np.testing.assert_allclose(loss.weight, expected, rtol=1e-6)


def test_rows_without_a_label_and_classes_without_a_row_count_nothing() -> None:
    loss = nn.CrossEntropyLoss()
    weigh("balanced", loss, THREE, torch.tensor([0, 0, 0, 2, -1, -1]))
    assert loss.weight.tolist() == pytest.approx([4 / (2 * 3), 1.0, 4 / (2 * 1)])


def test_of_two_classes_each_row_counts_by_the_weight_of_its_class() -> None:
    codes, outputs = torch.tensor([0, 0, 0, 1]), torch.randn(4)
    loss = BinaryCrossEntropy(label_smoothing=0.0)
    weigh("balanced", loss, TWO, codes)
    weights = torch.tensor([4 / 6, 4 / 6, 4 / 6, 4 / 2])
    each = binary_cross_entropy_with_logits(outputs, codes.float(), reduction="none")
    torch.testing.assert_close(loss(outputs, codes.float()), (weights * each).mean())


def test_labels_beside_each_other_weigh_by_the_rows_that_lack_them() -> None:
    targets = torch.tensor([[1.0, 0, 1], [0, 0, 1], [0, 1, 1], [0, 1, torch.nan]])
    loss = BinaryCrossEntropy(label_smoothing=0.0)
    weigh("balanced", loss, LABELS, targets)
    assert loss.pos_weight.tolist() == pytest.approx([3.0, 1.0, 0.25])  # never 0: z is in every row
    assert loss.weight is None


@pytest.mark.parametrize(
    ("task", "weight", "pos_weight"),
    [(THREE, [1.0, 2.0, 4.0], None), (LABELS, None, [1.0, 2.0, 4.0])],
)
def test_weights_that_are_given_are_taken_as_they_are(
    task: Task, weight: list[float] | None, pos_weight: list[float] | None
) -> None:
    loss = Focal(gamma=2.0)
    weigh([1.0, 2.0, 4.0], loss, task, torch.zeros(2))
    assert (None if loss.weight is None else loss.weight.tolist()) == weight
    assert (None if loss.pos_weight is None else loss.pos_weight.tolist()) == pos_weight


def test_without_weights_the_loss_stays_as_it_is() -> None:
    loss = nn.CrossEntropyLoss()
    weigh(None, loss, THREE, torch.tensor([0, 1]))
    assert loss.weight is None


def test_the_weights_are_of_the_training_rows_alone(
    make_trainer: Make, make_loaders: Make, make_model: Make
) -> None:
    loaders, trainer = make_loaders(train=20, valid=12), make_trainer(class_weights="balanced")
    trainer.attach(make_model(), loaders)
    codes = loaders.train.targets.numpy()
    expected = compute_class_weight("balanced", classes=np.arange(3), y=codes)
    np.testing.assert_allclose(trainer.criterion.weight, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("weights", "loss", "task", "words"),
    [
        (
            "balanced",
            nn.MSELoss(),
            NUMBER,
            r"^trainer\.class_weights=balanced weighs classes, and the target is a number; "
            r"set trainer\.class_weights=null\.$",
        ),
        (
            [1.0, 2.0],
            nn.CrossEntropyLoss(),
            THREE,
            r"^trainer\.class_weights must be balanced or a weight for each of the "
            r"3 classes a, b and c, in this "
            r"order, got 2\.$",
        ),
        (
            [1.0, 2.0, 3.0],
            nn.MultiLabelSoftMarginLoss(),
            LABELS,
            r"^trainer\.class_weights=\[1\.0,2\.0,3\.0\] needs a loss with an attribute pos_weight, and "
            r"MultiLabelSoftMarginLoss has none; choose trainer/loss=cross_entropy "
            r"or binary_cross_entropy or "
            r"focal, or set trainer\.class_weights=null\.$",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights: Any, loss: nn.Module, task: Task, words: str) -> None:
    check_weights(None, loss, task)
    with pytest.raises(UserError, match=words):
        check_weights(weights, loss, task)


def test_a_weight_of_0_is_refused(make_trainer: Make) -> None:
    with pytest.raises(ValueError, match=r"^class_weights must be above 0, got \[1\.0, 0\.0\]$"):
        make_trainer(class_weights=[1.0, 0.0])


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(label_smoothing=0.1), Focal(gamma=2.0)])
def test_a_share_counts_by_the_weights_of_its_rows(processes: Make, loss: nn.Module) -> None:
    """Of seven rows the first process has three: one of class 0, two of class 1."""
    logits = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    codes = torch.tensor([0, 1, 1, 2, 2, 0, 2])
    loss.weight = torch.tensor([1.0, 2.0, 4.0])

    def share_of_the_loss() -> float:
        distributed.join_group()
        own = distributed.slice_of(7)
        mean = loss(logits[own], codes[own]) * share_correction(loss, codes[own])
        share = float(distributed.average(mean * distributed.weight_of(7)))
        distributed.leave_group()
        return share

    assert share_correction(loss, codes) == 1
    expected = pytest.approx(float(loss(logits, codes)), rel=1e-6)
    assert [ended.value for ended in processes(share_of_the_loss)] == [expected, expected]


def test_a_mean_without_weights_of_classes_stays_as_it_is(processes: Make) -> None:
    def factors() -> list[Tensor | float]:
        distributed.join_group()
        rows = torch.arange(3) % 2
        unweighted = share_correction(nn.CrossEntropyLoss(), rows)
        binary = share_correction(Focal(gamma=1.0), rows.float())
        distributed.average(torch.ones(1))  # nobody leaves before the other has arrived
        distributed.leave_group()
        return [unweighted, binary, share_correction(nn.MSELoss(), rows.float())]

    assert [ended.value for ended in processes(factors)] == [[1, 1, 1]] * 2
