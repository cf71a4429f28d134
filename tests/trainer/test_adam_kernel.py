"""harness/trainer/adam_kernel.py"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.trainer.adam_kernel import KernelStep, step_of
from harness.trainer.scheduler import WarmupCosine

ADAMW = partial(torch.optim.AdamW, lr=0.01, betas=(0.8, 0.95), fused=True)


def network(kind: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 2)).to(kind)


def optimizer_of(new: Callable[..., torch.optim.Optimizer], made: nn.Module) -> torch.optim.Optimizer:
    """With two groups: weights of layers decay, their biases do not."""
    matrices = [weight for weight in made.parameters() if weight.ndim > 1]
    vectors = [weight for weight in made.parameters() if weight.ndim == 1]
    return new([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}])


def train(made: nn.Module, optimizer: torch.optim.Optimizer, step: Callable[[], object], steps: int) -> None:
    """Some steps, of which every third gives the first layer no gradient."""
    draw = torch.Generator().manual_seed(1)
    kind = next(made.parameters()).dtype
    for number in range(steps):
        inputs = torch.randn(6, 5, generator=draw).to(kind)
        made(inputs).square().mean().backward()
        if number % 3 == 2:
            for weight in made[0].parameters():  # type: ignore[index, union-attr]
                weight.grad = None
        step()
        optimizer.zero_grad()


def numbers(made: nn.Module, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    states = [optimizer.state[weight] for weight in made.parameters()]
    return [*made.parameters(), *(state[name] for state in states for name in sorted(state))]


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "new",
    [
        ADAMW,
        partial(ADAMW, amsgrad=True),
        partial(ADAMW, maximize=True, eps=1e-3),
        partial(torch.optim.Adam, lr=0.02, fused=True),
    ],
)
def test_weights_and_moments_are_those_of_the_library(new: Any, kind: torch.dtype) -> None:
    expected, ours = network(kind), network(kind)
    theirs, own = optimizer_of(new, expected), optimizer_of(new, ours)
    train(expected, theirs, theirs.step, 7)
    step = step_of(own)
    assert isinstance(step, KernelStep)
    train(ours, own, step, 7)
    for one, other in zip(numbers(ours, own), numbers(expected, theirs), strict=True):
        assert torch.equal(one, other)


def test_the_state_goes_on_in_another_optimizer() -> None:
    expected, ours = network(), network()
    theirs, own = optimizer_of(ADAMW, expected), optimizer_of(ADAMW, ours)
    train(expected, theirs, theirs.step, 3)
    train(ours, own, step_of(own), 3)
    later = optimizer_of(ADAMW, ours)
    later.load_state_dict(own.state_dict())
    train(expected, theirs, theirs.step, 4)
    train(ours, later, step_of(later), 4)
    assert all(
        torch.equal(one, other) for one, other in zip(ours.parameters(), expected.parameters(), strict=True)
    )


@pytest.mark.parametrize(
    "new",
    [
        partial(torch.optim.SGD, lr=0.1),
        partial(torch.optim.AdamW, lr=0.01),
        partial(torch.optim.AdamW, lr=torch.tensor(0.01), fused=True),
        type("Own", (torch.optim.AdamW,), {}),
    ],
)
def test_other_optimizers_take_their_own_steps(new: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.trainer.adam_kernel.call_kernel", lambda *given: pytest.fail("a kernel"))
    made = network()
    optimizer = optimizer_of(new, made)
    train(made, optimizer, step_of(optimizer), 2)
    assert (
        all(weight in optimizer.state for weight in made.parameters()) or type(optimizer) is torch.optim.SGD
    )


def watched_by_hook(optimizer: torch.optim.Optimizer, seen: list[str]) -> None:
    optimizer.register_step_post_hook(lambda *given: seen.append("hook"))


def watched_by_replacement(optimizer: torch.optim.Optimizer, seen: list[str]) -> None:
    before: Any = optimizer.step

    def step(*given: Any) -> Any:
        seen.append("replaced")
        return before(*given)

    optimizer.step = step  # type: ignore[method-assign]


@pytest.mark.parametrize("watch", [watched_by_hook, watched_by_replacement])
def test_whoever_observes_the_steps_of_the_optimizer_sees_each(watch: Any) -> None:
    made = network()
    optimizer = optimizer_of(ADAMW, made)
    step = step_of(optimizer)
    train(made, optimizer, step, 2)
    seen: list[str] = []
    watch(optimizer, seen)
    train(made, optimizer, step, 2)
    assert len(seen) == 2


def test_a_profile_names_the_steps() -> None:
    made = network()
    optimizer = optimizer_of(ADAMW, made)
    step = step_of(optimizer)
    train(made, optimizer, step, 1)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        train(made, optimizer, step, 1)
    assert "Optimizer.step#AdamW.step" in {event.key for event in profile.key_averages()}


@pytest.mark.parametrize(
    "new",
    [
        partial(torch.optim.lr_scheduler.StepLR, step_size=1),
        partial(WarmupCosine, total_steps=8, warmup=0.5, final=0.0),
    ],
)
def test_schedulers_move_the_rate_without_a_warning(new: Any) -> None:
    made = network()
    optimizer = optimizer_of(ADAMW, made)
    schedule, step = new(optimizer), step_of(optimizer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(made, optimizer, step, 2)
        schedule.step()
        before = [weight.detach().clone() for weight in made.parameters()]
        for group in optimizer.param_groups:
            group["lr"], group["weight_decay"] = 0.0, 0.0
        train(made, optimizer, step, 1)
    assert all(torch.equal(*pair) for pair in zip(before, made.parameters(), strict=True)), "the new rate"
