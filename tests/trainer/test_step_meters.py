"""Meters are means over the steps of an epoch; a step may count by its rows."""

from __future__ import annotations

import math

import pytest
import torch

from harness.trainer.step_meters import Meters

CPU = torch.device("cpu")


@pytest.mark.parametrize("finite_only", [False, True])
def test_a_step_counts_by_its_weight(finite_only: bool) -> None:
    meters = Meters(CPU, finite_only)
    for value, rows in ((0.5, 6), (0.0, 0), (1.0, 2)):
        meters.add("train/accuracy", torch.tensor(value), torch.tensor(rows))
        meters.add("train/loss", torch.tensor(value))
    assert meters.means() == {"train/accuracy": 0.625, "train/loss": 0.5}


def test_a_meter_without_a_step_is_nan() -> None:
    meters = Meters(CPU)
    meters.add("train/accuracy", torch.tensor(0.0), torch.tensor(0))
    assert math.isnan(meters.means()["train/accuracy"])


def test_a_value_that_is_not_finite_is_left_out_where_such_steps_are_skipped() -> None:
    meters = Meters(CPU, finite_only=True)
    for value in (1.0, math.nan, 3.0):
        meters.add("train/loss", torch.tensor(value))
        meters.add("train/accuracy", torch.tensor(value), torch.tensor(2))
    assert meters.means() == {"train/loss": 2.0, "train/accuracy": 2.0}


def test_values_can_be_listed_instead_of_added() -> None:
    meters = Meters(CPU)
    meters.add("train/loss", torch.tensor(1.0))
    with meters.held() as held:
        meters.add("train/loss", torch.tensor(9.0), torch.tensor(2))
    meters.add("train/loss", torch.tensor(3.0))
    assert held == [("train/loss", torch.tensor(9.0), torch.tensor(2))]
    assert meters.means() == {"train/loss": 2.0}
