"""A trial that a worker has claimed, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


class TimedOut(Exception):
    """A trial took longer than `sweep.timeout`."""


@dataclass(frozen=True)
class TrialAssignment:
    """A trial as every process that trains it must know it; rank 0 sends it to the others.

    overrides  the whole command line of its runs, without their seeds
    folder     of the trial, relative to the sweep's
    reported   intermediate values that an earlier worker reported, by step
    halt       the step at which the trial stops again; an earlier worker died before it could say so
    thawed     whether the trial goes on behind the rung at which it was frozen
    default    whether it is the default configuration, which keeps its weights
    test       whether the trial is complete and only its test rows are to be scored
    """

    number: int
    overrides: tuple[str, ...]
    folder: str
    reported: Mapping[int, float] = field(default_factory=dict)
    test: bool = False
    halt: int | None = None
    thawed: bool = False
    default: bool = False
