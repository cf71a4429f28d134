"""Ramp raises the rate by the same factor in every step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from harness.trainer.ramp import Ramp, rate


def optimizer(**group: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD([{"params": [nn.Parameter(torch.zeros(1))], **group}], lr=0.5)


def test_the_rates_are_evenly_spaced_in_logarithm() -> None:
    sgd = optimizer()
    ramp = Ramp(sgd, total_steps=5, lowest=1e-4, highest=1.0)
    found = []
    for _ in range(6):
        found.append(sgd.param_groups[0]["lr"])
        ramp.step()
    assert found == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1.0])
    assert [rate(step, 5, 1e-4, 1.0) for step in range(5)] == found[:5]


def test_a_group_with_a_factor_has_that_share() -> None:
    sgd = optimizer(factor=0.1)
    Ramp(sgd, total_steps=2, lowest=0.5, highest=1.0)
    assert sgd.param_groups[0]["lr"] == 0.05


def test_a_training_of_one_step_is_taken_at_the_lowest() -> None:
    assert rate(0, 1, 1e-4, 1.0) == 1e-4


def test_a_ramp_resumes_at_its_position() -> None:
    first = Ramp(optimizer(), total_steps=5, lowest=1e-4, highest=1.0)
    first.step()
    first.step()
    sgd = optimizer()
    Ramp(sgd, total_steps=5, lowest=1e-4, highest=1.0).load_state_dict(first.state_dict())
    assert sgd.param_groups[0]["lr"] == pytest.approx(1e-2)


@pytest.mark.parametrize(("lowest", "highest"), [(0.0, 1.0), (1.0, 1.0)])
def test_rates_that_do_not_rise_are_refused(lowest: float, highest: float) -> None:
    words = f"^lowest must be above 0 and below highest, got {lowest} and {highest}$"
    with pytest.raises(ValueError, match=words):
        Ramp(optimizer(), total_steps=2, lowest=lowest, highest=highest)
