"""Labels are learned by the loss of the task, and predicted in the target's own unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.core.arrays import Arrays, Loaders
from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.task import Task
from harness.data.load.resident import Resident
from harness.loss.focal import Focal
from harness.trainer.supervised import Regressor, SupervisedTrainer

Make = Callable[..., Any]


class Unchanged(nn.Module):
    """A model that represents a row of four numbers by itself."""

    width = 4

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs


def test_several_classes_have_a_logit_each_and_two_classes_one(make_trainer: Make) -> None:
    representation, build_head = torch.randn(5, 8), make_trainer(loss=Focal(gamma=2.0)).build_head
    assert build_head(8, Task("multiclass", ("a", "b", "c")))(representation).shape == (5, 3)
    assert build_head(8, Task("binary", ("no", "yes")))(representation).shape == (5,)


def test_labels_have_a_logit_each_and_several_numbers_an_output_each(make_trainer: Make) -> None:
    representation = torch.randn(5, 8)
    build_head = make_trainer("binary").build_head
    assert build_head(8, Task("multilabel", ("a", "b", "c")))(representation).shape == (5, 3)
    build_head = make_trainer("regression").build_head
    assert build_head(8, Task("regression", columns=("a", "b")))(representation).shape == (5, 2)
    assert build_head(8, Task("regression"))(representation).shape == (5,)


def test_each_of_several_targets_is_learned_in_its_own_unit() -> None:
    head, representation = Regressor(8, 2), torch.randn(5, 8)
    targets = torch.tensor([[100.0, 7.0], [140.0, 7.0], [220.0, 7.0]]).double()
    head.fit_unit(targets)
    one = Regressor(8)
    one.fit_unit(targets[:, 0])
    torch.testing.assert_close(head.mean, torch.tensor([one.mean.item(), 7.0]).double())
    torch.testing.assert_close(head.std, torch.tensor([one.std.item(), 1.0]).double())
    torch.testing.assert_close(head(representation), head.linear(representation) * head.std + head.mean)
    torch.testing.assert_close(head.standardise(targets)[:, 0], one.standardise(targets[:, 0]))


def several(task: Task, targets: Tensor) -> Loaders:
    """Rows of four numbers, all of them for training."""
    inputs = torch.randn(len(targets), 4, generator=torch.Generator().manual_seed(0))
    rows, none = np.arange(len(targets)), np.arange(0)
    load = Resident(batch_size=64, eval_batch_size=64, shuffle=False)
    return load(Arrays(inputs, targets, task), Fold(0, rows, none, none), torch.device("cpu"))


def test_the_loss_of_several_numbers_is_the_mean_of_their_standardised_ones(make_trainer: Make) -> None:
    targets = torch.randn(16, 2) * torch.tensor([100.0, 0.01])
    loaders, trainer = several(Task("regression", columns=("a", "b")), targets), make_trainer("regression")
    trainer.attach(Unchanged(), loaders)
    (batch,) = loaders.train
    outputs = trainer.predictor()(batch.inputs).outputs
    each = ((outputs - targets) / targets.std(dim=0, correction=0)).square().mean(dim=0).float()
    assert each.shape == (2,)
    torch.testing.assert_close(trainer.loss(trainer.unpack(batch, lambda inputs: inputs)), each.mean())
    torch.testing.assert_close(trainer.predictor().loss(outputs, targets), each.mean())


def test_the_loss_of_labels_is_the_mean_of_their_binary_ones(make_trainer: Make) -> None:
    targets = (torch.rand(16, 3) > 0.5).float()
    loaders, trainer = several(Task("multilabel", ("a", "b", "c")), targets), make_trainer("binary")
    trainer.attach(Unchanged(), loaders)
    (batch,) = loaders.train
    outputs = trainer.predictor()(batch.inputs).outputs
    chances = 1 / (1 + (-outputs).exp())
    expected = -torch.where(targets == 1, chances, 1 - chances).log().mean()
    torch.testing.assert_close(trainer.loss(trainer.unpack(batch, lambda inputs: inputs)), expected)
    torch.testing.assert_close(trainer.predictor().loss(outputs, targets), expected)


def test_a_regressor_answers_in_the_unit_of_the_targets() -> None:
    head, representation = Regressor(8), torch.randn(5, 8)
    targets = torch.tensor([100.0, 140.0, 220.0]).double()
    head.fit_unit(targets)
    std = ((targets - targets.mean()) ** 2).mean().sqrt()
    outputs = head(representation)
    expected = head.linear(representation).squeeze(-1).double() * std + targets.mean()
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(head.standardise(targets), ((targets - targets.mean()) / std).float())


@pytest.mark.parametrize(
    ("centre", "unit"), [(1.7e9, 1.0), (1e17, 1e5), (0.0, 1e20), (0.0, 1e-44), (-3e140, 1e138)]
)
def test_targets_far_from_zero_and_of_any_size_are_standardised(centre: float, unit: float) -> None:
    head, standard = Regressor(8), torch.linspace(-2, 2, 9).double()
    targets = centre + unit * standard
    head.fit_unit(targets)
    expected = standard / standard.std(correction=0)
    torch.testing.assert_close(head.standardise(targets).double(), expected, rtol=0, atol=1e-3)
    representation = torch.randn(64, 8)
    predicted = (head(representation) - centre) / unit / standard.std(correction=0)
    torch.testing.assert_close(predicted, head.linear(representation).squeeze(1).double(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("targets", [[7.0], [7.0, 7.0]])
def test_targets_that_do_not_vary_have_the_unit_1(targets: list[float]) -> None:
    head = Regressor(8)
    head.fit_unit(torch.tensor(targets))
    assert (head.mean.item(), head.std.item()) == (7.0, 1.0)


def test_a_regressor_keeps_its_digits_under_autocast() -> None:
    head, representation = Regressor(8), torch.randn(64, 8)
    head.fit_unit(torch.tensor([9_990.0, 10_010.0], dtype=torch.float64))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = head(representation)
    assert rounded.dtype == torch.float64
    torch.testing.assert_close(rounded, head(representation), rtol=0, atol=0.2)  # in bfloat16, 64 apart


def test_the_unit_is_that_of_the_training_rows_alone(make_trainer: Make, make_loaders: Make) -> None:
    loaders, trainer = make_loaders("regression", train=20, valid=12), make_trainer("regression")
    trainer.attach(Unchanged(), loaders)
    torch.testing.assert_close(trainer.head.mean, loaders.train.targets.mean())
    torch.testing.assert_close(trainer.head.std, loaders.train.targets.std(correction=0))


@pytest.mark.parametrize("kind", ["multiclass", "binary", "regression"])
def test_the_loss_is_the_criterion_of_outputs_and_targets(
    make_trainer: Make, make_loaders: Make, kind: str
) -> None:
    loaders, trainer = make_loaders(kind, batch_size=32, shuffle=False), make_trainer(kind)
    trainer.attach(Unchanged(), loaders)
    (batch,) = loaders.train
    outputs = trainer.predictor()(batch.inputs).outputs
    if kind == "multiclass":
        chances = outputs.exp() / outputs.exp().sum(dim=1, keepdim=True)
        expected = -chances[torch.arange(32), batch.targets].log().mean()
    elif kind == "binary":
        chances = 1 / (1 + (-outputs).exp())
        expected = -torch.where(batch.targets == 1, chances, 1 - chances).log().mean()
    else:
        expected = (
            ((outputs - batch.targets) / loaders.train.targets.std(correction=0)).square().mean().float()
        )
    loss = trainer.loss(trainer.unpack(batch, lambda inputs: inputs))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(trainer.predictor().loss(outputs, batch.targets), expected)


def test_the_inputs_are_augmented_and_the_labels_are_not(make_trainer: Make, make_loaders: Make) -> None:
    loaders, trainer = make_loaders(shuffle=False), make_trainer()
    batch = next(iter(loaders.train))
    parts = trainer.unpack(batch, lambda inputs: inputs + 1)
    assert torch.equal(parts.data, batch.inputs + 1)
    assert torch.equal(parts.labels, batch.targets)


def test_a_criterion_gets_float32_under_autocast(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make
) -> None:
    class Spy(nn.Module):
        def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
            seen.add(outputs.dtype)
            return nn.functional.cross_entropy(outputs, targets)

    seen: set[torch.dtype] = set()
    train(make_trainer(loss=Spy(), precision="bf16"), make_model(), make_loaders())
    assert seen == {torch.float32}


def test_a_criterions_own_parameters_are_learned_and_put_back_with_the_best_epoch(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make
) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
            return nn.functional.cross_entropy(outputs * self.scale, targets)

    criterion, falling = Scaled(), iter([0.9, 0.8, 0.7])
    passed = make_trainer(loss=criterion).fit(
        make_model(),
        make_loaders(),
        lambda inputs: inputs,
        lambda predictor: {"valid/score": next(falling)},
        lambda: False,
    )
    scales = [criterion.scale.item() for _ in passed]
    assert len({1.0, *scales}) == 4
    assert criterion.scale.item() == scales[0]


def test_data_without_a_target_is_refused(make_trainer: Make) -> None:
    words = (
        "^trainer=supervised learns from labels, and the data has no target; name its column with "
        "data.extract.target=COLUMN, or learn without labels by trainer=contrastive.$"
    )
    with pytest.raises(UserError, match=words):
        make_trainer().build_head(8, Task("none"))


def test_an_auto_loss_is_the_corridors_to_replace(make_trainer: Make) -> None:
    with pytest.raises(ValueError, match=r"^loss must be a node with a _target_ by now, got auto$"):
        make_trainer(loss="auto")


def test_it_needs_labels_and_learns_outputs() -> None:
    assert SupervisedTrainer.needs_labels
    assert SupervisedTrainer.learns == "outputs"


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_loaded_weights_bring_the_precision_of_the_unit(precision: torch.dtype) -> None:
    head, loaded = Regressor(8), Regressor(8)
    head.fit_unit(torch.tensor([1.7e9, 1.7e9 + 100], dtype=precision))
    loaded.load_state_dict(head.state_dict())
    representation = torch.randn(5, 8)
    assert loaded(representation).dtype == precision
    assert torch.equal(loaded(representation), head(representation))
