"""The loops by hand do the same mathematics as the trainers that are timed against them."""

from __future__ import annotations

import copy

import pytest
import torch

from benchmarks import methods

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("trainer", "method"), methods.WORK, ids=[method for _, method in methods.WORK])
def test_the_loop_by_hand_gives_the_same_losses(trainer: str, method: str) -> None:
    experiment = methods.prepared(trainer, method, 2, "split.test=0.9")
    model = experiment.new_model()
    by_hand = copy.deepcopy(experiment.trainer)
    torch.manual_seed(1)
    by_hand.attach(copy.deepcopy(model), experiment.loaders)
    found: list[float] = []
    methods.train_by_hand(experiment, by_hand, method, found.append)
    torch.manual_seed(1)
    fit = experiment.trainer.fit
    progress = fit(model, experiment.loaders, experiment.augment, lambda predictor: {}, lambda: False)
    losses = [step.scores["train/loss"] for step in progress]
    assert len(found) == 2
    assert found == pytest.approx(losses, rel=1e-3)
    assert found[0] != pytest.approx(found[1], rel=1e-3)


@pytest.mark.parametrize(("trainer", "method"), [("contrastive", "moco"), ("semi_supervised", "fixmatch")])
def test_a_comparison_takes_turns_with_new_trainings(trainer: str, method: str) -> None:
    found = methods.compare(trainer, method, 2, "split.test=0.9")
    assert list(found.costs) == ["harness", "bare PyTorch loop"]
    assert all(len(costs) == 2 and min(costs) > 0 for costs in found.costs.values())
    assert found.aim == 1.1
