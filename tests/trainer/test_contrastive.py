"""What belongs together: two views of a row, or all views of a class."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.core.arrays import Batch
from harness.core.errors import UserError
from harness.core.task import Task
from harness.trainer.contrast.byol import Byol
from harness.trainer.contrast.columns import ColumnTriplets
from harness.trainer.contrast.metric import Metric
from harness.trainer.contrast.moco import Moco
from harness.trainer.contrastive import ContrastiveTrainer
from harness.trainer.contrastive_method import Contrast

Make = Callable[..., Any]


class Spy(nn.Module):
    """Keeps what it is called with."""

    def forward(self, embeddings: Tensor, labels: Tensor, mined: object) -> Tensor:
        self.embeddings, self.labels, self.mined = embeddings, labels, mined
        self.casting = torch.is_autocast_enabled("cpu")
        return embeddings.square().mean()


def method(*, labels: bool = False, miner: nn.Module | None = None) -> Metric:
    return Metric(loss=Spy(), miner=miner, labels=labels, projection=[8, 4])


def batch() -> Batch:
    return Batch(torch.arange(12.0).reshape(3, 4), torch.tensor([1, -1, 0]), torch.tensor([5, 9, 7]))


def plus(*amounts: float) -> Callable[[Tensor], Tensor]:
    coming = iter(amounts)
    return lambda inputs: inputs + next(coming)


def test_a_batch_becomes_two_views_of_each_row(
    make_trainer: Make, make_loaders: Make, make_model: Make
) -> None:
    trainer = make_trainer("contrastive", method=method())
    trainer.attach(make_model(), make_loaders())
    parts = trainer.unpack(batch(), plus(10, 20))
    assert torch.equal(parts.data, batch().inputs + 10)
    assert torch.equal(parts.positives, batch().inputs + 20)
    assert parts.negatives is None
    assert parts.labels.tolist() == [0, 1, 2]
    assert parts.rows.tolist() == [5, 9, 7, 5, 9, 7]
    assert parts.targets.tolist() == [1, -1, 0]


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
    parts = Contrast(views[:3], views[3:6], views[6:], torch.tensor([0, 1, 2]), torch.arange(8), None)
    trainer.loss(parts)
    spy = trainer.method.loss
    assert torch.equal(spy.embeddings, trainer.companion.projector(model(views)))
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
    mined.measure(torch.zeros(2, 4), torch.tensor([3, 3]))
    assert mined.loss.mined == "2 [3, 3]"


def test_similarities_are_computed_in_float32_under_autocast(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make
) -> None:
    trainer = make_trainer("contrastive", method=method(), precision="bf16")
    train(trainer, make_model(), make_loaders())
    assert trainer.method.loss.embeddings.dtype == torch.float32
    assert not trainer.method.loss.casting


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


def test_the_projection_is_no_part_of_the_predictor(
    make_trainer: Make, make_loaders: Make, make_model: Make
) -> None:
    trainer, model = make_trainer("contrastive"), make_model()
    trainer.attach(model, make_loaders())
    predictor = trainer.predictor()
    inputs = torch.randn(2, 4)
    assert predictor.head is None
    assert predictor(inputs).outputs is None
    assert torch.equal(predictor(inputs).representation, model(inputs).detach())


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


def test_a_batch_of_one_row_is_refused(make_trainer: Make, make_loaders: Make, make_model: Make) -> None:
    trainer = make_trainer("contrastive")
    trainer.attach(make_model(), make_loaders())
    alone = Batch(*(part[:1] for part in batch()[:3]))
    words = "compares the rows of a batch with each other, and a batch has 1; set data.load.batch_size to 2"
    with pytest.raises(UserError, match=words):
        trainer.unpack(alone, plus(0, 0))


def test_rows_that_columns_name_come_behind_the_rows_of_a_batch(
    make_trainer: Make, make_loaders: Make, make_model: Make
) -> None:
    """And are augmented once, as the rows themselves are."""
    named = ColumnTriplets(positive="like", negative="unlike", margin=0.2, projection=[4])
    trainer = make_trainer("contrastive", method=named)
    trainer.attach(make_model(), make_loaders())
    assert trainer.columns == ("like", "unlike")
    six = Batch(torch.arange(24.0).reshape(6, 4), torch.tensor([1, -1, 1, 0, 2, 2]), torch.arange(10, 16))
    parts = trainer.unpack(six, plus(100))
    for part, first in ((parts.data, 0), (parts.positives, 2), (parts.negatives, 4)):
        assert torch.equal(part, six.inputs[first : first + 2] + 100)
    assert parts.targets.tolist() == [1, -1]
    assert parts.rows.tolist() == [10, 11, 12, 13, 14, 15]


def test_a_probe_learns_classes_and_leaves_the_training_as_it_is(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make
) -> None:
    def trained(probe: bool) -> tuple[nn.Module, list[Any]]:
        model = make_model()
        torch.manual_seed(1)
        trainer = make_trainer("contrastive", probe=probe, epochs=20)
        return model, train(trainer, model, make_loaders(shuffle=False))

    (model, without), (probed, beside) = trained(False), trained(True)
    torch.testing.assert_close(list(probed.parameters()), list(model.parameters()))
    losses = [[progress.scores["train/loss"] for progress in course] for course in (without, beside)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert "train/probe_loss" not in without[0].scores
    first, last = beside[0].scores, beside[-1].scores
    assert last["train/probe_loss"] < first["train/probe_loss"]
    assert 0.6 < last["train/probe_accuracy"] <= 1


@pytest.mark.parametrize(
    ("task", "found"), [("none", "absent"), ("regression", "a number"), ("multilabel", "several columns")]
)
def test_a_probe_needs_classes(make_trainer: Make, task: str, found: str) -> None:
    words = (
        f"^trainer.probe=true learns one class per row, and the target is {found}; set trainer.probe=false.$"
    )
    with pytest.raises(UserError, match=words):
        make_trainer("contrastive", probe=True).build_head(8, Task(task))


def test_the_copy_of_a_momentum_method_moves_after_each_step(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make
) -> None:
    """From momentum 0.5 at the first step to 1, at which it would stand still."""
    model = make_model()
    byol = Byol(projection=[8, 4], prediction=[8, 4], momentum=0.5)
    shares: list[float] = []
    follow = byol.follow

    def kept(followed: nn.Module, share: float) -> None:
        copied = [weight.clone() for weight in byol.target.parts[0].parameters()]
        follow(followed, share)
        momentum = 1 - 0.5 * (math.cos(math.pi * share) + 1) / 2
        expected = [
            momentum * old + (1 - momentum) * new
            for old, new in zip(copied, followed.parameters(), strict=True)
        ]
        torch.testing.assert_close(list(byol.target.parts[0].parameters()), expected)
        shares.append(share)

    byol.follow = kept  # type: ignore[method-assign]
    trainer = make_trainer("contrastive", method=byol, epochs=2)
    train(trainer, model, make_loaders())
    assert trainer.step == 8
    assert shares == [step / 8 for step in range(1, 9)]
    assert all(parameter.grad is None for parameter in byol.target.parameters())


def test_an_interrupted_training_resumes_with_its_queue_and_its_momentum_copy(
    make_trainer: Make, make_loaders: Make, make_model: Make
) -> None:
    def course(state: dict[str, Any] | None) -> tuple[dict[str, Any], dict[str, Any]]:
        torch.manual_seed(1)
        moco = Moco(projection=[8, 4], queue=12, temperature=0.2, momentum=0.9)
        trainer = make_trainer("contrastive", method=moco, epochs=2)

        def noisy(inputs: Tensor) -> Tensor:
            return inputs + torch.randn_like(inputs)

        halves = trainer.fit(
            make_model(),
            make_loaders(),
            noisy,
            lambda _: {},
            lambda: False,
            **({"state": state} if state else {}),
        )
        states = [progress.state() for progress in halves]
        return states[0], states[-1]["network"]

    half, whole = course(None)
    _, resumed = course(half)
    assert {"companion.queue", "companion.oldest", "companion.copy.parts.0.linear.weight"} <= whole.keys()
    assert not torch.equal(half["network"]["companion.queue"], whole["companion.queue"])
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_it_needs_no_labels_and_learns_a_representation() -> None:
    assert not ContrastiveTrainer.needs_labels
    assert ContrastiveTrainer.learns == "representation"
