"""What belongs together: two views of a row, or all views of a class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.arrays import Batch
from harness.errors import UserError
from harness.task import Task
from harness.trainer.contrastive import Contrast, ContrastiveTrainer
from harness.trainer.method import ContrastiveMethod

Make = Callable[..., Any]


class Spy(nn.Module):
    """Keeps what it is called with."""

    def forward(self, embeddings: Tensor, labels: Tensor, mined: object) -> Tensor:
        self.embeddings, self.labels, self.mined = embeddings, labels, mined
        self.casting = torch.is_autocast_enabled("cpu")
        return embeddings.square().mean()


def method(*, labels: bool = False, miner: nn.Module | None = None) -> ContrastiveMethod:
    return ContrastiveMethod(loss=Spy(), miner=miner, labels=labels)


def batch() -> Batch:
    return Batch(torch.arange(12.0).reshape(3, 4), torch.tensor([1, -1, 0]), torch.tensor([5, 9, 7]))


def plus(*amounts: float) -> Callable[[Tensor], Tensor]:
    coming = iter(amounts)
    return lambda inputs: inputs + next(coming)


def test_a_batch_comes_apart_into_two_views_of_each_row(
    make_trainer: Make, make_loaders: Make, make_model: Make
) -> None:
    trainer = make_trainer("contrastive", method=method())
    trainer.attach(make_model(), make_loaders())
    parts = trainer.unpack(batch(), plus(10, 20))
    assert torch.equal(parts.data, batch().inputs + 10)
    assert torch.equal(parts.positives, batch().inputs + 20)
    assert parts.negatives is None
    assert parts.labels.tolist() == [0, 1, 2]


def test_with_labels_an_unlabelled_row_belongs_with_itself_alone(
    make_trainer: Make, make_loaders: Make, make_model: Make
) -> None:
    trainer = make_trainer("contrastive", method=method(labels=True))
    trainer.attach(make_model(), make_loaders("multiclass"))
    assert trainer.unpack(batch(), plus(0, 0)).labels.tolist() == [1, 4, 0]


def test_the_loss_sees_the_projections_of_both_views_and_of_negatives(
    make_trainer: Make, make_loaders: Make, make_model: Make
) -> None:
    trainer, model = make_trainer("contrastive", method=method()), make_model()
    trainer.attach(model, make_loaders())
    trainer.network.eval()
    views = torch.randn(8, 4)
    parts = Contrast(views[:3], views[3:6], views[6:], torch.tensor([0, 1, 2]))
    trainer.loss(parts)
    spy = trainer.criterion
    assert torch.equal(spy.embeddings, trainer.training_head(model(views)))
    assert spy.embeddings.shape == (8, 4)
    assert spy.labels.tolist() == [0, 1, 2, 0, 1, 2, 3, 4]
    assert spy.mined is None
    trainer.loss(parts._replace(negatives=None))
    assert spy.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_a_miner_chooses_the_tuples_of_the_loss() -> None:
    class Miner(nn.Module):
        def forward(self, embeddings: Tensor, labels: Tensor) -> str:
            return f"{len(embeddings)} {labels.tolist()}"

    mined = method(miner=Miner())
    mined(torch.zeros(2, 4), torch.tensor([3, 3]))
    assert mined.loss.mined == "2 [3, 3]"


def test_similarities_are_computed_in_float32_under_autocast(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make
) -> None:
    trainer = make_trainer("contrastive", method=method(), precision="bf16")
    train(trainer, make_model(), make_loaders())
    assert trainer.criterion.embeddings.dtype == torch.float32
    assert not trainer.criterion.casting


def test_views_are_made_outside_autocast(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make
) -> None:
    def augment(inputs: Tensor) -> Tensor:
        seen.add(torch.is_autocast_enabled("cpu"))
        return inputs

    seen: set[bool] = set()
    trainer = make_trainer("contrastive", precision="bf16")
    train(trainer, make_model(), make_loaders(), augment=augment)
    assert seen == {False}


def test_the_projection_is_no_part_of_what_predicts(
    make_trainer: Make, make_loaders: Make, make_model: Make
) -> None:
    trainer, model = make_trainer("contrastive"), make_model()
    trainer.attach(model, make_loaders())
    predictor = trainer.predictor()
    inputs = torch.randn(2, 4)
    assert predictor.head is None
    assert predictor(inputs).outputs is None
    assert torch.equal(predictor(inputs).representation, model(inputs).detach())


def test_the_projection_has_the_widths_of_the_yaml(make_trainer: Make) -> None:
    trainer = make_trainer("contrastive", projection_hidden=6, projection_width=5)
    head = trainer.build_training_head(8, Task("none"))
    assert [tuple(weight.shape) for weight in head.parameters()] == [(6, 8), (6,), (6,), (6,), (5, 6), (5,)]


@pytest.mark.parametrize(
    ("task", "found"), [("none", "absent"), ("regression", "a number"), ("multilabel", "several columns")]
)
def test_classes_are_needed_where_classes_are_pulled_together(
    make_trainer: Make, task: str, found: str
) -> None:
    words = f"pulls rows of one class together, and the target is {found}; use trainer/method=simclr.$"
    with pytest.raises(UserError, match=words):
        make_trainer("contrastive", method=method(labels=True)).build_head(8, Task(task))
    assert make_trainer("contrastive", method=method()).build_head(8, Task(task)) is None


@pytest.mark.parametrize("name", ["projection_hidden", "projection_width"])
def test_a_width_below_1_is_refused(make_trainer: Make, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be at least 1, got 0$"):
        make_trainer("contrastive", **{name: 0})


def test_it_needs_no_labels_and_learns_a_representation() -> None:
    assert not ContrastiveTrainer.needs_labels
    assert ContrastiveTrainer.learns == "representation"
