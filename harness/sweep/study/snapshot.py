"""The state of a study at one moment, in plain values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, get_args

from harness.console.text_format import number
from harness.runtime.redact import mask_urls
from harness.sweep.study.sweep_cost import Cost

State = Literal["waiting", "running", "complete", "frozen", "pruned", "failed"]
"""A frozen trial has stopped at a rung and may go on; at the end of the sweep it is pruned."""

ENDED: tuple[State, ...] = ("complete", "frozen", "pruned", "failed")
"""The states of trials that count."""

STOPPED: tuple[State, ...] = ("frozen", "pruned")
"""The states of trials that a pruner has stopped."""


@dataclass(frozen=True)
class Objective:
    """A score that the sweep improves, and which way is better."""

    name: str
    direction: Literal["minimize", "maximize"]

    def cost(self, value: float) -> float:
        """The value with the sign such that lower is better."""
        return value if self.direction == "minimize" else -value

    def better(self, one: float, other: float) -> float:
        """The better of two values."""
        return min(one, other, key=self.cost)


@dataclass(frozen=True)
class Row:
    """One trial.

    point     value of each dimension of the space that the trial has, by its key
    values    one per objective, of a trial that is complete; else None
    reports   (step, value) pairs as the pruner saw them
    progress  (epoch, epochs) of the fold under way; None where nothing is known
    worker    who runs or ran it last, such as "node7-3"
    error     one sentence, of a trial that failed
    feasible  whether it keeps every constraint
    folder    where its files lie, relative to the sweep's
    cost      what it has used; None where that is not known
    score_error  standard error of its objective; None where that is not known
    """

    number: int
    state: State
    point: Mapping[str, Any] = field(default_factory=dict)
    values: tuple[float, ...] | None = None
    reports: tuple[tuple[int, float], ...] = ()
    progress: tuple[int, int] | None = None
    worker: str | None = None
    error: str | None = None
    feasible: bool = True
    folder: str = ""
    begun: datetime | None = None
    ended: datetime | None = None
    cost: Cost | None = None
    score_error: float | None = None

    @property
    def seconds(self) -> float | None:
        """Wall time of a trial that ended."""
        if self.begun is None or self.ended is None:
            return None
        return (self.ended - self.begun).total_seconds()


@dataclass(frozen=True)
class Snapshot:
    """A sweep at one moment; `rows` in the order of their numbers.

    trials    the budget; None where it is one of time
    compared  the score that trials report to a pruner, where that is not the objective
    """

    objectives: tuple[Objective, ...]
    rows: tuple[Row, ...]
    trials: int | None = None
    compared: Objective | None = None

    @property
    def reported(self) -> Objective:
        """The score that trials report while they run, of a sweep with one objective."""
        return self.objectives[0] if self.compared is None else self.compared

    def count(self, state: State) -> int:
        return sum(row.state == state for row in self.rows)

    @property
    def counts(self) -> dict[State, int]:
        """How many trials are in each state."""
        return {state: self.count(state) for state in get_args(State)}

    @property
    def ended(self) -> int:
        """How many trials count: complete, frozen, pruned or failed."""
        return sum(row.state in ENDED for row in self.rows)

    @property
    def waiting(self) -> int:
        """How many trials are still to begin, queued or not."""
        if self.trials is None:
            return self.count("waiting")
        return max(0, self.trials - self.ended - self.count("running"))

    @cached_property
    def history(self) -> tuple[Row, ...]:
        """The trials that ended, in the order in which they did."""
        rows = [row for row in self.rows if row.state in ENDED]
        return tuple(sorted(rows, key=lambda row: (row.ended.timestamp() if row.ended else 0.0, row.number)))

    @cached_property
    def best(self) -> list[Row]:
        """The best trial of those that may be, the first of equals; of several, the Pareto front."""
        rows = sorted(filter(eligible, self.rows), key=self.cost)
        if len(self.objectives) == 1:
            return rows[:1]
        front: list[Row] = []
        for row in rows:  # in this order, a row is dominated by an earlier one or by none
            if not any(_dominates(self.cost(other), self.cost(row)) for other in front):
                front.append(row)
        return sorted(front, key=lambda row: row.number)

    @property
    def stagnation(self) -> int:
        """How many trials have ended since the last of the best."""
        best = {row.number for row in self.best}
        positions = [position for position, row in enumerate(self.history, start=1) if row.number in best]
        return len(self.history) - max(positions, default=0)

    def cost(self, row: Row) -> tuple[float, ...]:
        """The values with signs such that lower is better."""
        values = zip(self.objectives, row.values or (), strict=True)
        return tuple(objective.cost(value) for objective, value in values)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Every dimension that a trial has a value of, in the order in which they appear."""
        return tuple(dict.fromkeys(key for row in self.rows for key in row.point))

    @cached_property
    def names(self) -> dict[str, str]:
        """What each key is called where there is little room."""
        return shortened(self.keys)

    def describe(self, row: Row) -> str:
        """A trial's point in short: `model=mlp lr=0.003`."""
        return " ".join(self.parts(row))

    def parts(self, row: Row) -> list[str]:
        return [f"{self.names[key]}={brief(value)}" for key, value in row.point.items()]


def eligible(row: Row) -> bool:
    """Whether a trial may be the best."""
    return row.state == "complete" and row.values is not None and row.feasible


def shortened(keys: Iterable[str]) -> dict[str, str]:
    """Each key's last part, with as many of those before it as distinguish it from the others."""
    tails = {key: [key[part.start() :] for part in re.finditer(r"[^./]+", key)][::-1] for key in keys}
    return {key: next((t for t in own if _of_one(t, tails)), key) for key, own in tails.items()}


def brief(value: Any) -> str:
    """A value as a reader of the yaml knows it, with four significant digits; no password of a URL."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    return f"{value:.4g}" if isinstance(value, float) else mask_urls(str(value))


def score(value: float) -> str:
    """As `harness.console.text_format.number`, and a count, such as that of parameters, without decimals."""
    return f"{value:,.0f}" if abs(value) >= 100 and value == round(value) else number(value)


def _of_one(tail: str, tails: Mapping[str, list[str]]) -> bool:
    """Whether one key alone ends with this tail."""
    return sum(tail in others for others in tails.values()) == 1


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
