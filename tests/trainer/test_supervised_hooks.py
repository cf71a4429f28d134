"""A user's own unpacking, head and loss of each row train without a trainer of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from harness.core.arrays import Batch
from harness.core.errors import UserError
from harness.trainer.supervised import mean_loss

Make = Callable[..., Any]
IRIS = ("data/extract=iris", "model.widths=[8]", "trainer.epochs=2", "split.test=0.5")


def every_second(batch: Batch) -> tuple[Tensor, ...]:
    """The rows in reverse order, of which the odd ones count thrice."""
    assert batch.targets is not None
    rows = batch.rows.flip(0)
    return batch.inputs.flip(0), batch.targets.flip(0), 1 + 2.0 * (rows % 2)


def too_many(batch: Batch) -> tuple[Tensor, ...]:
    return batch.inputs, batch.inputs, batch.inputs, batch.inputs


class Members(nn.Module):
    """Three linear classifiers: all of them in training, their mean in evaluation."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 3 * outputs)
        self.outputs = outputs

    def forward(self, representation: Tensor) -> Tensor:
        members: Tensor = self.linear(representation).unflatten(1, (3, self.outputs))
        return members if self.training else members.mean(dim=1)


class LossOfMembers(nn.Module):
    """Cross-entropy, (B, 3) of members or (B,) of their mean."""

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if outputs.ndim == 2:
            return cross_entropy(outputs, targets, reduction="none")
        return cross_entropy(outputs.movedim(1, 2), targets[:, None].expand(-1, 3), reduction="none")


def test_a_loss_is_averaged_over_members_and_over_rows_by_their_weights() -> None:
    each, weights = torch.tensor([[1.0, 3.0], [4.0, 8.0]]), torch.tensor([3.0, 1.0])
    assert mean_loss(torch.tensor(2.5), None) == 2.5
    assert mean_loss(each[:, 0], None) == 2.5
    assert mean_loss(each, None) == 4
    assert mean_loss(each[:, 0], weights) == (3 * 1 + 1 * 4) / 4
    assert mean_loss(each, weights) == (3 * 2 + 1 * 6) / 4
    assert mean_loss(each, torch.zeros(2)) == 0


def test_an_own_unpacking_gives_the_loss_its_rows_and_weights(make_trainer: Make, make_loaders: Make) -> None:
    loaders = make_loaders(batch_size=8, shuffle=False)
    trainer = make_trainer(loss=nn.CrossEntropyLoss(reduction="none"), unpack=every_second)
    model = nn.Linear(4, 4)
    model.width = 4  # type: ignore[assignment]
    trainer.attach(model, loaders)
    batch = next(iter(loaders.train))
    loss = trainer.loss(trainer.unpack(batch, lambda inputs: inputs))
    each = cross_entropy(trainer.head(model(batch.inputs)), batch.targets, reduction="none")
    odd = batch.rows % 2 == 1
    torch.testing.assert_close(loss, (each * torch.where(odd, 3.0, 1.0)).sum() / (4 * 1 + 4 * 3))


def test_members_train_by_configuration_and_predict_together(make_experiment: Make) -> None:
    experiment = make_experiment(
        *IRIS,
        f"+trainer.unpack={{_target_:{__name__}.every_second,_partial_:true}}",
        f"+trainer.head={{_target_:{__name__}.Members,_partial_:true}}",
        f"trainer.loss={{_target_:{__name__}.LossOfMembers}}",
    )
    before = [weight.detach().clone() for weight in experiment.model.parameters()]
    passed = list(
        experiment.trainer.fit(
            experiment.model, experiment.loaders, experiment.augment, experiment.validate, lambda: False
        )
    )
    assert 0 < passed[-1].scores["train/loss"] < 2
    assert 0 < passed[-1].scores["valid/loss"] < 2
    assert not any(map(torch.equal, before, experiment.model.parameters()))
    outputs = experiment.trainer.predictor().gather(experiment.loaders.valid).outputs
    assert outputs.shape == (len(experiment.loaders.valid.rows), 3)


def test_an_own_head_of_a_number_learns_standardised_units(make_trainer: Make, make_loaders: Make) -> None:
    trainer = make_trainer("regression", head=lambda width, outputs: nn.Linear(width, 5))
    model = nn.Linear(4, 4)
    model.width = 4  # type: ignore[assignment]
    loaders = make_loaders("regression")
    trainer.attach(model, loaders)
    representation = torch.randn(6, 4)
    expected = trainer.head.linear(representation) * trainer.head.std + trainer.head.mean
    torch.testing.assert_close(trainer.head(representation), expected)


@pytest.mark.parametrize(
    ("change", "key"),
    [({"unpack": every_second}, "trainer.loss"), ({"unpack": too_many}, "trainer.unpack")],
    ids=["weights and a scalar loss", "four parts"],
)
def test_parts_that_do_not_fit_are_refused(
    make_trainer: Make, make_loaders: Make, make_model: Make, change: dict[str, Any], key: str
) -> None:
    trainer, loaders = make_trainer(**change), make_loaders()
    trainer.attach(make_model(), loaders)
    with pytest.raises(UserError) as caught:
        trainer.loss(trainer.unpack(next(iter(loaders.train)), lambda inputs: inputs))
    assert caught.value.key == key
