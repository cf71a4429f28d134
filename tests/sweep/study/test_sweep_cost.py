from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.core.errors import UserError
from harness.sweep.study import sweep_cost
from harness.sweep.study.sweep_cost import (
    SECONDS,
    TIME,
    Account,
    Cost,
    SweepBudget,
    SweepCost,
    Tariff,
    read_budget,
)

EUROS = Tariff(hour=3.6, kwh=0.5, workers=4)
COSTS = [Cost(100, 50, 1.8e6), None, Cost(20)]


@pytest.mark.parametrize(
    ("value", "amount", "unit"),
    [
        ("2 hours", 7200, "seconds"),
        ("90min", 5400, "seconds"),
        ("8 gpu hours", 28800, "gpu_seconds"),
        ("0.5 GPU-h", 1800, "gpu_seconds"),
        ("2 kWh", 7.2e6, "joules"),
        ("5 euros", 5, "money"),
        ("€5", 5, "money"),
        ("2.5 EUR", 2.5, "money"),
    ],
)
def test_a_budget_is_an_amount_of_time_gpu_time_energy_or_money(value: str, amount: float, unit: Any) -> None:
    assert read_budget(value, EUROS) == SweepBudget(value, amount, unit)


def test_any_word_may_be_the_currency() -> None:
    credits = replace(EUROS, currency="credits")
    assert read_budget("7 credits", credits) == SweepBudget("7 credits", 7, "money")


@pytest.mark.parametrize(
    ("value", "tariff", "sentence"),
    [
        (
            5,
            EUROS,
            "sweep.budget must be an amount above 0 with its unit, got '5'; write '2 hours', '8 gpu hours', "
            "'2 kWh' or '5 EUR'.",
        ),
        (
            "0 hours",
            EUROS,
            "sweep.budget must be an amount above 0 with its unit, got '0 hours'; write '2 hours', "
            "'8 gpu hours', '2 kWh' or '5 EUR'.",
        ),
        (
            "$5",
            EUROS,
            "sweep.budget must be in the currency of the prices, EUR, got '$5'; give sweep.currency=USD and "
            "prices in it.",
        ),
        (
            "5 euros",
            Tariff(),
            "sweep.budget=5 euros is money, and nothing has a price; give sweep.price_hour, the price of an "
            "hour of this machine, or sweep.price_kwh.",
        ),
    ],
)
def test_another_budget_is_refused(value: Any, tariff: Tariff, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        read_budget(value, tariff)
    assert str(caught.value) == sentence


def test_costs_add_up_and_energy_that_was_not_measured_is_not_zero() -> None:
    assert sweep_cost.total(COSTS) == Cost(120, 50, 1.8e6)
    assert sweep_cost.total([None, Cost(1)]).joules is None


def test_a_machine_of_several_workers_has_one_price_and_a_cluster_one_for_each() -> None:
    cost = Cost(1000, 0, 1.8e6)
    assert EUROS.of_trial(cost) == pytest.approx(1000 / 4 * 0.001 + 0.25)
    assert EUROS.of_sweep(600, cost) == pytest.approx(0.6 + 0.25)
    jobs = replace(EUROS, apart=True)
    assert jobs.of_trial(cost) == jobs.of_sweep(600, cost) == pytest.approx(1.0 + 0.25)
    assert Tariff(kwh=0.5).of_trial(Cost(1000)) is None
    assert Tariff().of_sweep(600, cost) is None


@pytest.mark.parametrize(
    ("value", "used"),
    [("1 h", 60 + 30 + 10), ("1 gpu hour", 50), ("1 kWh", 1.8e6), ("9 EUR", 0.1 + 0.25), (None, None)],
)
def test_what_earlier_commands_and_others_used_counts(
    monkeypatch: pytest.MonkeyPatch, value: str | None, used: float | None
) -> None:
    monkeypatch.setattr(sweep_cost.time, "time", lambda: 1010.0)
    attributes = {SECONDS: 60.0, f"{TIME}other": 30.0, f"{TIME}own": 5.0, "harness:queued": True}
    account = Account(read_budget(value, EUROS), EUROS, "own", started=1000.0)
    assert account.used(attributes, COSTS) == (None if used is None else pytest.approx(used))
    assert not account.spent(attributes, COSTS)
    whole = SweepCost.of(account, attributes, COSTS).as_dict()
    assert (whole["seconds"], whole["trial_seconds"], whole["gpu_seconds"], whole["kwh"]) == (
        100,
        120,
        50,
        0.5,
    )
    assert (whole["money"], whole["currency"]) == (pytest.approx(0.35), "EUR")
    if value == "1 kWh":
        assert whole["budget"] == {"text": "1 kWh", "unit": "kwh", "amount": 1.0, "used": 0.5}


def test_a_budget_is_spent_when_it_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_cost.time, "time", lambda: 1010.0)
    for value, spent in (("10 s", True), ("11 s", False)):
        assert Account(read_budget(value, EUROS), EUROS, "own", 1000.0).spent({}, []) is spent
