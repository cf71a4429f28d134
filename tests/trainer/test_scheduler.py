"""The learning rate of every step is what the schedule's formula says."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from harness.trainer.scheduler import Schedule, WarmupCosine, schedule


def sgd(*rates: float) -> torch.optim.SGD:
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, lr=rates[0])


def plan(new: Any, optimizer: torch.optim.Optimizer, monitor: str = "valid/accuracy") -> Schedule:
    return schedule(new, optimizer, total_steps=12, monitor=monitor)


def rates(moves: Schedule, optimizer: torch.optim.Optimizer, epochs: int = 3, steps: int = 4) -> list[float]:
    """The rate of every step of a training."""
    found = []
    for _ in range(epochs):
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if moves.step is not None:
                moves.step()
        moves.epoch(None)
    return found


def test_warmup_cosine_follows_its_formula() -> None:
    optimizer = sgd(0.2)
    moves = plan(partial(WarmupCosine, warmup=0.25, final=0.1), optimizer)
    rising = [0.2 * (step + 1) / 3 for step in range(3)]
    falling = [0.2 * (0.1 + 0.9 * (1 + math.cos(math.pi * step / 9)) / 2) for step in range(9)]
    assert rates(moves, optimizer) == pytest.approx(rising + falling, rel=1e-12)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.02)


def test_warmup_cosine_without_warmup_is_torchs_cosine() -> None:
    optimizer, torchs = sgd(0.2), sgd(0.2)
    cosine = lr_scheduler.CosineAnnealingLR(torchs, T_max=12, eta_min=0.02)
    ours = rates(plan(partial(WarmupCosine, warmup=0.0, final=0.1), optimizer), optimizer)
    for rate in ours:
        assert rate == pytest.approx(torchs.param_groups[0]["lr"], rel=1e-9)
        torchs.step()
        cosine.step()


def test_warmup_cosine_moves_each_group_from_its_own_rate() -> None:
    optimizer = sgd(0.2, 0.4)
    moves = plan(partial(WarmupCosine, warmup=0.5, final=0.0), optimizer)
    assert moves.step is not None
    moves.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.2 * 2 / 6, 0.4 * 2 / 6])


def test_warmup_cosine_stays_at_the_last_rate_after_the_last_step() -> None:
    optimizer = sgd(0.2)
    moves = plan(partial(WarmupCosine, warmup=0.0, final=0.5), optimizer)
    rates(moves, optimizer, epochs=5)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)


@pytest.mark.parametrize("warmup", [-0.1, 1.0, float("nan")])
def test_a_warmup_that_is_no_share_is_refused(warmup: float) -> None:
    words = f"^warmup must be a share of the steps, at least 0 and below 1, got {warmup}$"
    with pytest.raises(ValueError, match=words):
        WarmupCosine(sgd(0.1), total_steps=10, warmup=warmup, final=0.0)


@pytest.mark.parametrize("final", [-0.1, 1.1, float("nan")])
def test_a_final_rate_that_is_no_share_is_refused(final: float) -> None:
    with pytest.raises(
        ValueError, match=f"^final must be a share of the learning rate, 0 to 1, got {final}$"
    ):
        WarmupCosine(sgd(0.1), total_steps=10, warmup=0.1, final=final)


def test_no_scheduler_is_a_constant_rate() -> None:
    optimizer = sgd(0.2)
    moves = plan(None, optimizer)
    assert rates(moves, optimizer) == [0.2] * 12
    assert moves.state_dict()["now"] == {}
    moves.load_state_dict(moves.state_dict())


def test_a_scheduler_that_takes_total_steps_moves_after_every_step() -> None:
    optimizer, torchs = sgd(0.1), sgd(0.1)
    reference = lr_scheduler.OneCycleLR(torchs, max_lr=0.1, total_steps=12)
    for rate in rates(plan(partial(lr_scheduler.OneCycleLR, max_lr=0.1), optimizer), optimizer):
        assert rate == torchs.param_groups[0]["lr"]
        torchs.step()
        reference.step()


def test_any_other_moves_after_every_epoch() -> None:
    optimizer = sgd(0.2)
    moves = plan(partial(lr_scheduler.ExponentialLR, gamma=0.5), optimizer)
    assert rates(moves, optimizer) == [0.2] * 4 + [0.1] * 4 + [0.05] * 4


class Patient(lr_scheduler.ReduceLROnPlateau):
    """A user's own."""


@pytest.mark.parametrize("plateau", [lr_scheduler.ReduceLROnPlateau, Patient])
@pytest.mark.parametrize(
    ("monitor", "better", "worse"), [("valid/accuracy", 0.9, 0.1), ("valid/rmse", 0.1, 0.9)]
)
def test_plateau_is_moved_by_the_monitored_score_in_its_direction(
    plateau: type[lr_scheduler.ReduceLROnPlateau], monitor: str, better: float, worse: float
) -> None:
    optimizer = sgd(0.2)
    moves = plan(partial(plateau, factor=0.5, patience=0), optimizer, monitor)
    assert moves.needs_score
    found = []
    for score in (worse, better, better, worse, None):
        moves.epoch(score)
        found.append(optimizer.param_groups[0]["lr"])
    assert found == [0.2, 0.2, 0.1, 0.05, 0.05]


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (
            partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=9),
            "total_steps must be left out, since it follows from trainer.epochs and data.load.batch_size, "
            "got 9",
        ),
        (
            partial(lr_scheduler.ReduceLROnPlateau, mode="min"),
            "mode must be left out, since it follows from the score valid/accuracy, got 'min'",
        ),
    ],
)
def test_settings_that_the_trainer_gives_are_refused(new: Any, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}$"):
        plan(new, sgd(0.1))


@pytest.mark.parametrize(
    "new",
    [
        partial(WarmupCosine, warmup=0.25, final=0.0),
        partial(lr_scheduler.OneCycleLR, max_lr=0.1),
        partial(lr_scheduler.CosineAnnealingLR, T_max=3),
    ],
)
def test_a_schedule_resumes_at_the_position_of_its_state(new: Any) -> None:
    optimizer = sgd(0.2)
    moves = plan(new, optimizer)
    rates(moves, optimizer, epochs=1)
    state = {"optimizer": optimizer.state_dict(), "schedule": moves.state_dict()}
    fresh = sgd(0.2)
    resumed = plan(new, fresh)
    fresh.load_state_dict(state["optimizer"])
    resumed.load_state_dict(state["schedule"])
    assert rates(resumed, fresh, epochs=2) == rates(moves, optimizer, epochs=2)


def went_on(earlier: Any, now: Any, *, total_steps: int, lr: float = 0.2, **group: Any) -> list[float]:
    """The rates of 4 more steps, or epochs, under other settings, of a training that was stopped after 4."""
    optimizer, fresh = sgd(0.2), sgd(lr)
    fresh.param_groups[0].update(group)
    moves = plan(earlier, optimizer)
    rates(moves, optimizer, epochs=4, steps=1)
    resumed = schedule(now, fresh, total_steps=total_steps, monitor="valid/accuracy")
    fresh.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(moves.state_dict())
    assert {name: fresh.param_groups[0][name] for name in group} == group
    return rates(resumed, fresh, epochs=4, steps=1)


def afresh(new: Any, *, total_steps: int, lr: float = 0.2) -> list[float]:
    optimizer = sgd(lr)
    moves = schedule(new, optimizer, total_steps=total_steps, monitor="valid/accuracy")
    return rates(moves, optimizer, epochs=8, steps=1)[4:]


@pytest.mark.parametrize(
    "new", [partial(lr_scheduler.OneCycleLR, max_lr=0.1), partial(WarmupCosine, warmup=0.25, final=0.0)]
)
def test_a_training_made_longer_follows_the_longer_schedule(new: Any) -> None:
    found, expected = went_on(new, new, total_steps=40), afresh(new, total_steps=40)
    assert found[1:] == pytest.approx(expected[1:])  # torch's had set the next rate already


def test_a_setting_of_the_scheduler_that_was_changed_holds_from_there_on() -> None:
    short, long = (partial(lr_scheduler.StepLR, step_size=size) for size in (6, 5))
    assert went_on(short, long, total_steps=12) == pytest.approx(afresh(long, total_steps=12))


@pytest.mark.parametrize("new", [None, partial(lr_scheduler.ExponentialLR, gamma=0.5)])
def test_a_setting_of_the_optimizer_that_was_changed_holds_from_there_on(new: Any) -> None:
    found = went_on(new, new, total_steps=12, lr=0.01, weight_decay=0.3)
    assert found == pytest.approx(afresh(new, total_steps=12, lr=0.01))


def test_the_state_of_another_scheduler_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^another state: steps; now "):
        went_on(
            partial(WarmupCosine, warmup=0.0, final=0.0),
            partial(lr_scheduler.StepLR, step_size=2),
            total_steps=12,
        )
