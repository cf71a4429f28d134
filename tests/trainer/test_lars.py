"""LARS moves each layer by a share of its norm, as a loop over single numbers does."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.trainer.lars import LARS

VALUES: dict[str, Any] = {"lr": 0.5, "momentum": 0.9, "weight_decay": 0.1, "trust": 0.02}
SHAPES = [(3, 4), (4,), (2, 3, 2), (), (1, 1)]


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def gradients(step: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(step + 1)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def move(optimizer: LARS, weights: list[nn.Parameter], step: int) -> None:
    for weight, gradient in zip(weights, gradients(step), strict=True):
        weight.grad = gradient
    optimizer.step()


def norm(numbers: list[float]) -> float:
    return math.sqrt(sum(number * number for number in numbers))


def naive(steps: int) -> list[list[float]]:
    """The same steps on lists of Python's numbers."""
    weights = [weight.detach().double().reshape(-1).tolist() for weight in parameters()]
    buffers = [[0.0] * len(weight) for weight in weights]
    for step in range(steps):
        for place, gradient in enumerate(gradients(step)):
            weight, buffer = weights[place], buffers[place]
            change = [
                g + VALUES["weight_decay"] * w
                for g, w in zip(gradient.double().reshape(-1).tolist(), weight, strict=True)
            ]
            if len(SHAPES[place]) > 1:
                ratio = VALUES["trust"] * norm(weight) / norm(change)
                change = [ratio * number for number in change]
            for i, number in enumerate(change):
                buffer[i] = VALUES["momentum"] * buffer[i] + number
                weight[i] -= VALUES["lr"] * buffer[i]
    return weights


def test_five_steps_are_those_of_a_naive_loop() -> None:
    weights = parameters()
    optimizer = LARS(weights, **VALUES)
    for step in range(5):
        move(optimizer, weights, step)
    for weight, expected in zip(weights, naive(5), strict=True):
        torch.testing.assert_close(weight.detach().reshape(-1), torch.tensor(expected))


def test_a_first_step_moves_a_layer_by_the_trust_times_the_rate_of_its_norm() -> None:
    (weight, *_) = weights = parameters()
    before = weight.detach().clone()
    move(LARS(weights, **VALUES), weights, 0)
    moved = (weight.detach() - before).norm() / before.norm()
    assert moved.item() == pytest.approx(0.5 * 0.02)


@pytest.mark.parametrize(
    ("weight", "gradient", "moved"), [(0.0, 2.0, -1.0), (3.0, 0.0, 0.0)], ids=["no weight", "no gradient"]
)
def test_a_layer_without_a_norm_is_not_scaled(weight: float, gradient: float, moved: float) -> None:
    layer = nn.Parameter(torch.full((1, 1), weight))
    layer.grad = torch.full((1, 1), gradient)
    LARS([layer], **(VALUES | {"weight_decay": 0.0})).step()
    assert layer.item() == weight + moved


def test_a_group_has_its_own_rate_and_decay() -> None:
    first, second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = LARS([{"params": [first], "weight_decay": 0.0}, {"params": [second], "lr": 1.0}], **VALUES)
    first.grad, second.grad = torch.ones(2), torch.ones(2)
    optimizer.step()
    torch.testing.assert_close(first.detach(), torch.full((2,), 0.5))
    torch.testing.assert_close(second.detach(), torch.full((2,), 1 - 1.1))


def test_a_parameter_without_a_gradient_stays_and_a_closure_gives_its_loss() -> None:
    moving, resting = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = LARS([moving, resting], **VALUES)

    def closure() -> Tensor:
        loss = moving.sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2.0
    assert resting.tolist() == [1.0, 1.0]
    assert moving.tolist() != [1.0, 1.0]


def test_a_resumed_training_continues_bit_for_bit() -> None:
    whole = parameters()
    optimizer = LARS(whole, **VALUES)
    for step in range(2):
        move(optimizer, whole, step)
    resumed = [nn.Parameter(weight.detach().clone()) for weight in whole]
    second = LARS(resumed, **(VALUES | {"lr": 9.0}))
    second.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for step in range(2, 4):
        move(optimizer, whole, step)
        move(second, resumed, step)
    for one, other in zip(whole, resumed, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lr": -0.1}, "lr must be 0 or more, got -0.1"),
        ({"lr": math.inf}, "lr must be 0 or more, got inf"),
        ({"momentum": 1.0}, "momentum must be at least 0 and below 1, got 1.0"),
        ({"weight_decay": -1.0}, "weight_decay must be 0 or more, got -1.0"),
        ({"trust": 0.0}, "trust must be above 0, got 0.0"),
    ],
)
def test_a_value_out_of_range_is_refused(change: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}$"):
        LARS(parameters(), **(VALUES | change))
