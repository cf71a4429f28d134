"""What a step leaves behind: an average of the weights, and the memory of a bad gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from harness.trainer.update import Update


def attached(network: nn.Module, **settings: Any) -> Update:
    update = Update(**{"accumulate": 1, "clip_norm": None, "ema": None, "skip": 0, **settings})
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    update.attach(network.parameters(), optimizer, network, torch.device("cpu"), scaled=False)
    return update


def step(update: Update, loss: Tensor) -> None:
    update.backward(loss)
    update.step()


def test_weights_that_two_layers_share_come_back_from_their_average() -> None:
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    network[1].weight = network[0].weight
    update = attached(network, ema=0.9)
    before = network[0].weight.detach().clone()
    step(update, network(torch.ones(1, 2)).sum())
    after = network[0].weight.detach().clone()
    with update.averaged():
        average = network[0].weight.detach().clone()
    assert torch.equal(network[0].weight, after)
    torch.testing.assert_close(average, before + (1 - 2 / 11) * (after - before))


def test_a_training_that_had_failed_before_its_stop_reports_the_same_step() -> None:
    network = nn.Linear(2, 1)
    update = attached(network)
    step(update, network(torch.full((1, 2), torch.nan)).sum())
    weights = network.weight.detach().clone()
    resumed = attached(network)
    resumed.load_state_dict(update.state_dict())
    for _ in range(2):
        step(resumed, network(torch.ones(1, 2)).sum())
    assert resumed.failed == 3
    assert torch.equal(network.weight, weights)
