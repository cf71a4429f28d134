"""Layers: what learns, how quickly, and what stays bit for bit as it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from harness.config.compose import compose
from harness.core.errors import UserError
from harness.prepare.parts import new_model
from harness.trainer.layers import Layers, layers_of

Make = Callable[..., Any]


def layers(**changes: Any) -> Layers:
    return Layers(**({"freeze": 0, "head_first": 0, "decay": 1.0, "decay_all": False} | changes))


def model(name: str, *words: str) -> nn.Module:
    shape = {"mlp": (5,), "transformer": (6,), "resnet18": (3, 32, 32)}.get(name, (1, 8, 8))
    return new_model(compose([f"model={name}", *words]).model, shape)


def names_of(network: nn.Module) -> list[list[str]]:
    """The parameters of each layer, by what they are called below the model."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return [sorted(names[id(parameter)] for parameter in layer.parameters) for layer in layers_of(network)]


def prefixes(network: nn.Module, depth: int) -> list[set[str]]:
    return [{".".join(name.split(".")[:depth]) for name in layer} for layer in names_of(network)]


def test_the_layers_of_a_convnet_are_its_convolutions_with_their_norms() -> None:
    assert prefixes(model("convnet"), 3) == [
        {"stages.0.0", "stages.0.1"},
        {"stages.2.0", "stages.2.1"},
        {"stages.4.0", "stages.4.1"},
    ]


def test_the_layers_of_a_resnet_are_its_stem_and_its_blocks() -> None:
    blocks = [{f"layer{stage}.{block}"} for stage in (1, 2, 3, 4) for block in (0, 1)]
    stem = [{"bn1.weight", "bn1.bias", "conv1.weight"}]
    assert prefixes(model("resnet18"), 2) == stem + blocks


def test_the_layers_of_a_vision_transformer_are_patches_positions_and_blocks() -> None:
    assert prefixes(model("vit"), 3) == [
        {"embed.weight", "embed.bias", "encoder.cls"},
        {"position.table"},
        {"encoder.blocks.0"},
        {"encoder.blocks.1"},
        {"encoder.blocks.2"},
        {"encoder.blocks.3", "encoder.norm.weight", "encoder.norm.bias"},
    ]


@pytest.mark.parametrize("name", ["mlp", "convnet", "resnet18", "vit", "transformer"])
def test_every_parameter_is_in_one_layer(name: str) -> None:
    network = model(name)
    listed = sorted(name for layer in names_of(network) for name in layer)
    assert listed == sorted(name for name, _ in network.named_parameters())


def test_without_options_there_are_two_groups_and_norms_and_biases_do_not_decay() -> None:
    network, head = model("convnet"), nn.Linear(256, 10)
    matrices, vectors = layers().groups(network, head)
    assert (matrices["factor"], vectors["factor"]) == (1.0, 1.0)
    assert "weight_decay" not in matrices
    assert vectors["weight_decay"] == 0.0
    assert [tuple(p.shape) for p in matrices["params"]] == [
        (64, 1, 3, 3),
        (128, 64, 3, 3),
        (256, 128, 3, 3),
        (10, 256),
    ]
    assert len(vectors["params"]) == 7  # three norms of two, and the head's bias


def test_one_group_holds_everything_where_all_decays() -> None:
    network, head = model("convnet"), nn.Linear(256, 10)
    (group,) = layers(decay_all=True).groups(network, head)
    assert group["params"] == [*network.parameters(), *head.parameters()]


def test_each_layer_learns_at_a_share_of_the_rate_of_the_one_above() -> None:
    network, head = model("vit"), nn.Linear(64, 10)
    factors = {
        id(parameter): group["factor"]
        for group in layers(decay=0.5).groups(network, head)
        for parameter in group["params"]
    }
    found = [{factors[id(parameter)] for parameter in layer.parameters} for layer in layers_of(network)]
    assert found == [{0.5**6}, {0.5**5}, {0.5**4}, {0.5**3}, {0.5**2}, {0.5}]
    assert {factors[id(parameter)] for parameter in head.parameters()} == {1.0}


def test_a_weight_that_two_layers_share_is_in_one_group() -> None:
    lower, upper = nn.Linear(3, 3), nn.Linear(3, 3)
    upper.weight = lower.weight
    groups = layers(decay=0.5).groups(nn.Sequential(lower, upper), nn.Linear(3, 2))
    (factor,) = [group["factor"] for group in groups if any(p is lower.weight for p in group["params"])]
    assert factor == 0.5


def test_the_optimizer_gets_the_rates_and_the_scheduler_keeps_their_shares(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make
) -> None:
    trainer = make_trainer(
        layers=layers(decay=0.5), scheduler=partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.1)
    )
    train(trainer, make_model(), make_loaders())
    rates = [(group["lr"], group["factor"]) for group in trainer.optimizer.param_groups]
    assert rates == [(pytest.approx(0.1 * factor * 0.1**3), factor) for _, factor in rates]
    assert {factor for _, factor in rates} == {1.0, 0.5}


class Normed(nn.Module):
    """Two layers, of which the lower one has statistics of its own: (B, 4) -> (B, 8)."""

    width = 8

    def __init__(self) -> None:
        super().__init__()
        self.lower = nn.Linear(4, 8)
        self.norm = nn.BatchNorm1d(8)
        self.upper = nn.Linear(8, 8)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.upper(torch.relu(self.norm(self.lower(inputs))))
        return made


def copy_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def changed(network: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}


@pytest.mark.parametrize(
    ("freeze", "learned"), [(0, {"lower", "norm", "upper"}), (1, {"upper"}), (2, set()), ("model", set())]
)
def test_what_is_frozen_stays_bit_for_bit_its_statistics_too(
    make_trainer: Make, make_loaders: Make, train: Make, freeze: Any, learned: set[str]
) -> None:
    network, trainer = Normed(), make_trainer(layers=layers(freeze=freeze))
    before = copy_of(network)
    train(trainer, network, make_loaders())
    assert {name.split(".")[0] for name in changed(network, before)} == learned
    assert len(trainer.optimizer.param_groups[0]["params"]) == 1 + len(learned - {"norm"})


def test_a_linear_probe_trains_the_head(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make
) -> None:
    trainer = make_trainer(layers=layers(freeze="model"))
    curve = [progress.scores["train/loss"] for progress in train(trainer, make_model(), make_loaders())]
    assert curve[-1] < curve[0]


def test_the_head_learns_first_and_the_model_afterwards(make_trainer: Make, make_loaders: Make) -> None:
    network, trainer = Normed(), make_trainer(layers=layers(head_first=2), epochs=3)
    before, heads = copy_of(network), []
    passing = trainer.fit(network, make_loaders(), lambda x: x, lambda predictor: {}, lambda: False)
    for progress in passing:
        heads.append(trainer.head.weight.detach().clone())
        moved = {name.split(".")[0] for name in changed(network, before)}
        assert moved == (set() if progress.epoch <= 2 else {"lower", "norm", "upper"})
    assert not torch.equal(heads[0], heads[1])


def test_begin_returns_whether_other_parameters_learn() -> None:
    network, own = Normed(), layers(head_first=1)
    own.groups(network, nn.Linear(8, 2))
    states = []
    for epoch in (1, 2, 3):
        network.train()
        states.append((own.begin(epoch, network), network.training, network.lower.weight.requires_grad))
    assert states == [(True, False, False), (True, True, True), (False, True, True)]


def test_more_frozen_layers_than_there_are_is_refused() -> None:
    layers(freeze=2).check(Normed())
    words = (
        r"^trainer\.layers\.freeze=3 is more than the 2 layers of this Normed; give at most 2, or "
        r"trainer\.layers\.freeze=model for all of it\.$"
    )
    with pytest.raises(UserError, match=words):
        layers(freeze=3).check(Normed())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("freeze", -1, "freeze must be 0 or more layers, or model, got -1"),
        ("head_first", -1, "head_first must be 0 or more epochs, got -1"),
        ("decay", 0.0, r"decay must be above 0 and at most 1, got 0\.0"),
        ("decay", 1.5, r"decay must be above 0 and at most 1, got 1\.5"),
    ],
)
def test_values_out_of_range_are_refused(name: str, value: float, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}$"):
        layers(**{name: value})
