"""What an epoch yields, when training ends, and which weights are in place then."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.core.errors import Diverged
from harness.trainer.scheduler import WarmupCosine

Make = Callable[..., Any]
SGD = partial(torch.optim.SGD, lr=0.1)


def test_progress_counts_epochs_and_steps_and_names_its_scores(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make
) -> None:
    passed = train(make_trainer(), make_model(), make_loaders(), scores=[0.1, 0.3, 0.2])
    assert [(p.epoch, p.epochs, p.step, p.best) for p in passed] == [
        (1, 3, 4, True),
        (2, 3, 8, True),
        (3, 3, 12, False),
    ]
    assert set(passed[0].scores) == {"train/loss", "valid/score", "lr", "time/epoch_seconds"}
    assert [p.scores["valid/score"] for p in passed] == [0.1, 0.3, 0.2]
    assert passed[0].scores["lr"] == 0.1
    assert passed[0].scores["time/epoch_seconds"] > 0


@pytest.mark.parametrize("kind", ["multiclass", "contrastive"])
def test_one_seed_gives_one_loss_curve_and_another_seed_another(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make, kind: str
) -> None:
    def curve(seed: int) -> list[float]:
        model = make_model(seed)
        passed = train(make_trainer(kind), model, make_loaders(), augment=lambda i: i + torch.randn_like(i))
        return [progress.scores["train/loss"] for progress in passed]

    assert curve(0) == curve(0)
    assert curve(0) != curve(1)


def test_the_network_trains_in_training_mode_also_after_being_judged(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make
) -> None:
    def augment(inputs: Tensor) -> Tensor:
        modes.append(model.training)
        return inputs

    modes: list[bool] = []
    model = make_model()
    train(make_trainer(), model, make_loaders(), augment=augment, validate=lambda p: model.eval() and {})
    assert modes == [True] * 12


def epoch_weights(trainer: Any, model: nn.Module, loaders: Any, scores: list[float]) -> list[Tensor]:
    coming = iter(scores)
    passed = trainer.fit(model, loaders, lambda i: i, lambda p: {"valid/score": next(coming)}, lambda: False)
    return [model.linear.weight.detach().clone() for _ in passed]


@pytest.mark.parametrize(
    ("scores", "best"), [([0.1, 0.3, 0.2], 1), ([0.3, 0.1, 0.3], 2), ([0.3, float("nan"), 0.1], 0)]
)
def test_the_best_epochs_weights_are_in_place_afterwards(
    make_trainer: Make, make_loaders: Make, make_model: Make, scores: list[float], best: int
) -> None:
    model = make_model()
    weights = epoch_weights(make_trainer(), model, make_loaders(), scores)
    assert torch.equal(model.linear.weight, weights[best])
    assert not torch.equal(weights[best], weights[best - 1])


def test_without_validation_rows_the_last_epoch_is_kept(
    make_trainer: Make, make_loaders: Make, make_model: Make
) -> None:
    model, trainer, weights = make_model(), make_trainer(), []
    for progress in trainer.fit(model, make_loaders(valid=0), lambda i: i, lambda p: {}, lambda: False):
        assert progress.best
        weights.append(model.linear.weight.detach().clone())
    assert torch.equal(model.linear.weight, weights[-1])


@pytest.mark.parametrize(
    ("scores", "epochs"),
    [
        ([0.5, 0.4, 0.3, 0.9, 0.9], 3),
        ([0.5, 0.4, 0.6, 0.4, 0.4], 5),
        ([0.5, 0.5, 0.5, 0.9, 0.9], 3),
        ([0.1, 0.2, 0.3, 0.4, 0.5], 5),
    ],
)
def test_patience_is_how_many_epochs_may_pass_without_improvement(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make, scores: list[float], epochs: int
) -> None:
    trainer = make_trainer(epochs=5, patience=2)
    assert len(train(trainer, make_model(), make_loaders(), scores=scores)) == epochs


def test_a_stop_ends_within_a_step_and_leaves_the_best_epoch(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make
) -> None:
    def augment(inputs: Tensor) -> Tensor:
        begun.append(model.linear.weight.detach().clone())
        return inputs

    begun: list[Tensor] = []
    model, trainer = make_model(), make_trainer(epochs=5)
    stop = lambda: len(begun) >= 6  # noqa: E731
    passed = train(trainer, model, make_loaders(), augment=augment, stop=stop, scores=[0.5] * 5)
    assert [(progress.epoch, progress.whole) for progress in passed] == [(1, True), (2, False)]
    assert len(begun) == 6
    assert trainer.step == 6
    assert torch.equal(model.linear.weight, begun[4])


@pytest.mark.parametrize(
    ("clip_norm", "remedy"),
    [
        (
            None,
            r"try trainer\.optimizer\.lr=1e\+29 or trainer\.update\.clip_norm=1, and look for extreme values",
        ),
        (1e30, r"try trainer\.optimizer\.lr=1e\+29, and look for extreme values in the data\.$"),
    ],
)
def test_a_loss_that_is_no_number_ends_the_training_with_epoch_and_remedy(
    make_trainer: Make,
    make_loaders: Make,
    make_model: Make,
    train: Make,
    clip_norm: float | None,
    remedy: str,
) -> None:
    scheduler = partial(WarmupCosine, warmup=0.0, final=0.0)
    trainer = make_trainer(
        "regression", optimizer=partial(SGD, lr=1e30), scheduler=scheduler, clip_norm=clip_norm
    )
    with pytest.raises(Diverged, match=r"^the training loss became (nan|inf) in step 2, epoch 1 ") as caught:
        train(trainer, make_model(), make_loaders("regression"))
    assert caught.match(r"\(trainer\.optimizer\.lr=1e\+30\); " + remedy)


def test_a_loss_that_is_no_number_in_one_step_alone_is_seen(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make
) -> None:
    calls = []

    def augment(inputs: Tensor) -> Tensor:
        calls.append(1)
        return inputs * float("nan") if len(calls) == 7 else inputs

    with pytest.raises(Diverged, match="became nan in step 7, epoch 2"):
        train(make_trainer(), make_model(), make_loaders(), augment=augment)
