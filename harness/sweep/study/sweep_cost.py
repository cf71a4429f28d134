"""What trials and sweeps cost: time, GPU time, energy and money; and the budget that limits it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from harness.core.errors import UserError
from harness.core.time_span import read_span

COST = "cost"
"""The attribute of a trial with the fields of `Cost`."""

TIME = "harness:time:"
"""Attributes of a study: the seconds of each command that worked on it."""

SECONDS = "harness:seconds"
"""The attribute of a study that sums those of commands of earlier versions."""

JOULES_PER_KWH = 3.6e6

Unit = Literal["seconds", "gpu_seconds", "joules", "money"]

_CURRENCIES = {
    "EUR": ("euro", "euros", "€"),
    "USD": ("dollar", "dollars", "$"),
    "GBP": ("pound", "pounds", "£"),
    "JPY": ("yen", "¥"),
    "CHF": ("franc", "francs"),
}
_GPU_TIME = re.compile(r"gpu[ -]?(h|hours?)")
_KEY = "sweep.budget"


@dataclass(frozen=True)
class Cost:
    """What a trial, or several, have used.

    seconds      of a worker; trials that it trains at the same time share its time
    gpu_seconds  the same, for each GPU that it used
    joules       None: not measured
    """

    seconds: float = 0.0
    gpu_seconds: float = 0.0
    joules: float | None = None

    def __add__(self, other: Cost) -> Cost:
        measured = [each.joules for each in (self, other) if each.joules is not None]
        joules = sum(measured) if measured else None
        return Cost(self.seconds + other.seconds, self.gpu_seconds + other.gpu_seconds, joules)

    @property
    def kwh(self) -> float | None:
        return None if self.joules is None else self.joules / JOULES_PER_KWH

    def as_dict(self) -> dict[str, float | None]:
        return asdict(self)


def cost_of(attributes: Mapping[str, Any]) -> Cost | None:
    """What a trial with these attributes has used so far; None where nothing is known."""
    stored = attributes.get(COST)
    return None if stored is None else Cost(**stored)


def cost_metrics(cost: Cost | None, tariff: Tariff) -> dict[str, float]:
    """The metrics of a trial: `cost/seconds`, `cost/gpu_seconds`, and where they are known `cost/kwh` and
    `cost/money`.
    """
    if cost is None:
        return {}
    amounts = {
        "seconds": cost.seconds,
        "gpu_seconds": cost.gpu_seconds,
        "kwh": cost.kwh,
        "money": tariff.of_trial(cost),
    }
    return {f"cost/{name}": amount for name, amount in amounts.items() if amount is not None}


@dataclass(frozen=True)
class Tariff:
    """The prices of a sweep.

    hour      of an hour of a machine; None: none
    kwh       of a kilowatt-hour; None: none
    currency  of both
    workers   how many workers a machine has at a time
    apart     whether each worker is on a machine of its own, which costs only while it runs trials
    """

    hour: float | None = None
    kwh: float | None = None
    currency: str = "EUR"
    workers: int = 1
    apart: bool = False

    @property
    def priced(self) -> bool:
        return self.hour is not None or self.kwh is not None

    def of_trial(self, cost: Cost) -> float | None:
        """Money for a trial: its part of the machine, and its energy; None where there is no price for it."""
        return self._money(cost.seconds / (1 if self.apart else self.workers), cost)

    def of_sweep(self, seconds: float, trials: Cost) -> float | None:
        """Money for a sweep.

        Args:
            seconds: of its commands, summed.
            trials: what all trials have used.
        """
        return self._money(trials.seconds if self.apart else seconds, trials)

    def _money(self, seconds: float, cost: Cost) -> float | None:
        parts = [] if self.hour is None else [self.hour * seconds / 3600]
        if self.kwh is not None and cost.kwh is not None:
            parts.append(self.kwh * cost.kwh)
        return sum(parts) if parts else None


@dataclass(frozen=True)
class SweepBudget:
    """`sweep.budget`: an amount of a unit, after which no trial is begun.

    text  as typed
    """

    text: str
    amount: float
    unit: Unit


def read_budget(value: str | float | None, tariff: Tariff) -> SweepBudget | None:
    """The budget; None where there is none.

    Args:
        value: an amount with its unit: time, GPU hours, kWh or money.

    Raises:
        UserError: it is none, or one of money has no price.
    """
    if value is None:
        return None
    text = str(value).strip()
    match = re.fullmatch(r"([€$£¥]?)\s*(\d+(?:\.\d+)?)\s*(.*)", text)
    amount, unit = (float(match[2]), (match[1] or match[3]).lower()) if match else (0.0, "")
    span = read_span(text.lower())
    read: SweepBudget | None = None
    if span is not None:
        read = SweepBudget(text, span.total_seconds(), "seconds")
    elif _GPU_TIME.fullmatch(unit):
        read = SweepBudget(text, amount * 3600, "gpu_seconds")
    elif unit == "kwh":
        read = SweepBudget(text, amount * JOULES_PER_KWH, "joules")
    elif unit and _currency(unit, tariff) == tariff.currency:
        read = SweepBudget(text, amount, "money")
    if read is None or not read.amount > 0:
        other = _currency(unit, tariff)
        if read is None and other is not None:
            raise UserError(
                f"{_KEY} must be in the currency of the prices, {tariff.currency}, got {text!r}",
                f"give sweep.currency={other} and prices in it",
                key=_KEY,
                value=value,
            )
        raise UserError(
            f"{_KEY} must be an amount above 0 with its unit, got {text!r}",
            f"write '2 hours', '8 gpu hours', '2 kWh' or '5 {tariff.currency}'",
            key=_KEY,
            value=value,
        )
    if read.unit == "money" and not tariff.priced:
        raise UserError(
            f"{_KEY}={text} is money, and nothing has a price",
            "give sweep.price_hour, the price of an hour of this machine, or sweep.price_kwh",
            key=_KEY,
            value=value,
        )
    return read


def _currency(unit: str, tariff: Tariff) -> str | None:
    """The currency that a word names; None: no known one."""
    if unit == tariff.currency.lower():
        return tariff.currency
    return next((code for code, words in _CURRENCIES.items() if unit in (code.lower(), *words)), None)


@dataclass(frozen=True)
class SweepCost:
    """What a sweep has used.

    seconds   of its commands, summed
    trials    of all trials
    money     None: nothing has a price, or the energy is not known
    currency  of the money
    budget    None: there is none
    used      of the budget, in its unit; None: not known
    """

    seconds: float
    trials: Cost
    money: float | None
    currency: str
    budget: SweepBudget | None
    used: float | None

    @classmethod
    def of(cls, account: Account, attributes: Mapping[str, Any], costs: Iterable[Cost | None]) -> SweepCost:
        """See `Account.used`."""
        known = list(costs)
        seconds, trials = account.seconds(attributes), total(known)
        money = account.tariff.of_sweep(seconds, trials)
        used = account.used(attributes, known)
        return cls(seconds, trials, money, account.tariff.currency, account.budget, used)

    def as_dict(self) -> dict[str, Any]:
        """As `result.json` has it; the budget in seconds, GPU seconds, kWh or money."""
        per = JOULES_PER_KWH if self.budget is not None and self.budget.unit == "joules" else 1.0
        budget = self.budget and {
            "text": self.budget.text,
            "unit": "kwh" if self.budget.unit == "joules" else self.budget.unit,
            "amount": self.budget.amount / per,
            "used": None if self.used is None else self.used / per,
        }
        return {
            "seconds": self.seconds,
            "trial_seconds": self.trials.seconds,
            "gpu_seconds": self.trials.gpu_seconds,
            "kwh": self.trials.kwh,
            "money": self.money,
            "currency": None if self.money is None else self.currency,
            "budget": budget,
        }


def total(costs: Iterable[Cost | None]) -> Cost:
    """The sum of those that are known."""
    return sum((cost for cost in costs if cost is not None), Cost())


@dataclass(frozen=True)
class Account:
    """What a sweep has used, as one of its commands counts it.

    launch   of the command
    started  when it began, in seconds since 1970
    """

    budget: SweepBudget | None
    tariff: Tariff
    launch: str
    started: float

    def seconds(self, attributes: Mapping[str, Any]) -> float:
        """Of all commands that have worked on the sweep; `attributes`: of its study."""
        others: list[float] = [
            value for key, value in attributes.items() if key.startswith(TIME) and key != TIME + self.launch
        ]
        return float(attributes.get(SECONDS, 0.0)) + sum(others) + self.own_seconds

    @property
    def own_seconds(self) -> float:
        """Of this command so far."""
        return max(0.0, time.time() - self.started)

    def used(self, attributes: Mapping[str, Any], costs: Iterable[Cost | None]) -> float | None:
        """How much of the budget is used, in its unit; None where that is not known, or there is none.

        Args:
            attributes: of the study.
            costs: of all trials.
        """
        if self.budget is None:
            return None
        seconds = self.seconds(attributes)
        if self.budget.unit == "seconds":
            return seconds
        trials = total(costs)
        if self.budget.unit == "money":
            return self.tariff.of_sweep(seconds, trials)
        return trials.gpu_seconds if self.budget.unit == "gpu_seconds" else trials.joules

    def spent(self, attributes: Mapping[str, Any], costs: Iterable[Cost | None]) -> bool:
        """Whether the budget is used up, so that no trial is begun."""
        used = self.used(attributes, costs)
        return self.budget is not None and used is not None and used >= self.budget.amount
