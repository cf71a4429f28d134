"""A claimed trial, the budget that limits claims, and the error of a claim that was lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from harness.sweep.study.noise_stop import remaining_gain
from harness.sweep.study.snapshot import Snapshot
from harness.sweep.study.sweep_cost import Account, Cost, cost_of

ADDED = "harness:added"
"""The attribute of a study that counts the trials which were added by hand."""

BY_HAND = "it was stopped by hand"
"""The reason of a stop that every command on the sweep takes as Ctrl-C."""

EXEMPT = "harness:exempt"
"""The attribute of a trial that no pruner stops."""

_NO_TRIAL_LIMIT = 1000
"""What is left where the budget does not limit the number of trials."""


class LostOwnership(Exception):
    """The trial belongs to another worker by now, because this one was taken for dead."""

    def __init__(self, number: int) -> None:
        super().__init__(f"trial {number} was given to another worker.")
        self.number = number


@dataclass(frozen=True)
class Claim:
    """A trial that this process has to run.

    resumed  whether another worker ran it before and left its folder and checkpoints
    """

    trial_id: int
    number: int
    resumed: bool


@dataclass(frozen=True)
class Budget:
    """Limits after which no further trial is started.

    trials      that are started in total; None: no limit
    stagnation  trials in a row without a better one; None: no limit
    until       seconds since 1970; None: no limit
    account     what the sweep has used, and its budget; None: no limit
    noise       whether no trial is begun once only noise is left, see `remaining_gain`
    """

    trials: int | None = None
    stagnation: int | None = None
    until: float | None = None
    account: Account | None = None
    noise: bool = False

    def over(self, attributes: Mapping[str, Any], read: Callable[[], Sequence[FrozenTrial]]) -> bool:
        """Whether the time is up, or what may be spent is used.

        Args:
            attributes: of the study.
            read: gives all its trials; most budgets do not ask for what they have cost.
        """
        if self.until is not None and time.time() >= self.until:
            return True
        return self.account is not None and self.account.spent(attributes, _costs(read))

    def settled(self, read: Callable[[], Snapshot], left: int) -> bool:
        """Whether further trials are expected to be no better.

        Args:
            read: gives the state of the study.
            left: trials that may begin.
        """
        if self.stagnation is None and not self.noise:
            return False
        now = read()
        if self.stagnation is not None and now.stagnation >= self.stagnation:
            return True
        gain = remaining_gain(now, left) if self.noise else None
        return gain is not None and gain.is_noise

    def left(self, started: int, attributes: Mapping[str, Any]) -> int:
        """How many more trials may be started; those that were added by hand are beside the budget.

        Args:
            started: how many were.
            attributes: of the study.
        """
        if self.trials is None:
            return _NO_TRIAL_LIMIT
        return self.trials + int(attributes.get(ADDED, 0)) - started


def _costs(read: Callable[[], Sequence[FrozenTrial]]) -> Iterator[Cost | None]:
    """What each trial has used; the trials are read when the first is asked for."""
    for trial in read():
        yield cost_of(trial.user_attrs)


def is_exempt(trial: FrozenTrial) -> bool:
    """Whether no pruner stops the trial: it is the configuration without the sweep."""
    return bool(trial.user_attrs.get(EXEMPT))
