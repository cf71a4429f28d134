"""Groups that learn at a share of the rate keep it under every scheduler, or the scheduler is refused."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CyclicLR, LambdaLR, OneCycleLR, StepLR

from harness.core.errors import UserError
from harness.trainer.scheduler import WarmupCosine, schedule


def optimizer_of(*factors: float) -> torch.optim.Optimizer:
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "factor": factor} for factor in factors]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    for group in optimizer.param_groups:
        group["lr"] *= group["factor"]
    return optimizer


@pytest.mark.parametrize(
    "new",
    [
        pytest.param(partial(OneCycleLR, max_lr=0.1), id="OneCycleLR"),
        pytest.param(partial(CyclicLR, base_lr=0.01, max_lr=0.1), id="CyclicLR"),
        pytest.param(partial(StepLR, step_size=2), id="StepLR"),
        pytest.param(partial(LambdaLR, lr_lambda=lambda step: 0.9**step), id="LambdaLR"),
        pytest.param(partial(WarmupCosine, warmup=0.2, final=0.1), id="WarmupCosine"),
    ],
)
def test_the_shares_stay_at_every_step(new: Any) -> None:
    alone, both = optimizer_of(1.0), optimizer_of(1.0, 0.25)
    schedules = [schedule(new, each, total_steps=10, monitor="valid/accuracy") for each in (alone, both)]
    for _ in range(9):
        rate = alone.param_groups[0]["lr"]
        found = [group["lr"] for group in both.param_groups]
        assert found == pytest.approx([rate, 0.25 * rate])
        for optimizer, moved in zip((alone, both), schedules, strict=True):
            optimizer.step()
            move = moved.step or partial(moved.epoch, None)
            move()


class Absolute:
    """A scheduler that gives every group the same rate."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        for group in optimizer.param_groups:
            group["lr"] = 0.01

    def state_dict(self) -> dict[str, Any]:
        return {}

    def step(self) -> None:
        """Nothing."""


def test_a_scheduler_that_levels_the_rates_is_refused() -> None:
    schedule(Absolute, optimizer_of(1.0, 1.0), total_steps=3, monitor="valid/accuracy")
    words = (
        r"^trainer\.scheduler must keep the share of the rate that "
        r"trainer\.layers\.decay gives each layer, and "
        r"this one sets rates of its own; choose another trainer/scheduler, or trainer\.layers\.decay=1\.$"
    )
    with pytest.raises(UserError, match=words):
        schedule(Absolute, optimizer_of(1.0, 0.5), total_steps=3, monitor="valid/accuracy")
