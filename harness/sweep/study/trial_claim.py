"""A claimed trial, the budget that limits claims, and the error of a claim that was lost."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    trials: int | None = None
    stagnation: int | None = None
    until: float | None = None
