"""Meters are means over the steps of an epoch; a step may count by its rows."""

from __future__ import annotations

import math

import pytest
import torch

from harness.trainer.step_meters import JointMeters, Meters

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


@pytest.mark.parametrize("finite_only", [(False, False, False), (True, True, True), (True, False, True)])
def test_what_is_added_jointly_is_what_each_would_add(finite_only: tuple[bool, ...]) -> None:
    alone, together = ([Meters(CPU, one) for one in finite_only] for _ in range(2))
    joint, two = JointMeters(together), JointMeters(together[1:])
    generator = torch.Generator().manual_seed(0)
    for step in range(12):
        values = torch.rand(3, generator=generator)
        if step == 4:
            values[0] = math.nan
        weights = torch.randint(0, 9, (3,), generator=generator)
        first = 1 if step % 3 == 2 else 0  # as at the end of an epoch that is shorter for one of them
        meters = two if first else joint
        meters.add("train/loss", values[first:])
        meters.add("train/accuracy", values[first:], weights[first:])
        for own, value, weight in list(zip(alone, values, weights, strict=True))[first:]:
            own.add("train/loss", value)
            own.add("train/accuracy", value, weight)
        if step == 7:
            alone[2].clear()
            together[2].clear()
        if step == 8:
            for meters_of_one in (alone[1], together[1]):
                meters_of_one.add("train/loss", torch.tensor(0.3))
    wanted = [own.means() for own in alone]
    assert math.isnan(wanted[0]["train/loss"]) is not finite_only[0]
    assert repr([own.means() for own in together]) == repr(wanted)
