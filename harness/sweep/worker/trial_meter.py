"""Divides the time and the energy of a worker among its trials."""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.runtime.energy_meter import EnergyMeter, gpu_share, held_gpus
from harness.runtime.process_group import world
from harness.sweep.study.sweep_cost import Cost

_INTERVAL = 30.0
"""Seconds between two times at which the cost of a running trial is stored."""


def gpus_used() -> float:
    """How many GPUs this worker computes on; one that it shares with others counts in part."""
    return gpu_share() * (world() if world() > 1 else len(held_gpus())) if held_gpus() else 0.0


class TrialMeter:
    """What each trial of a worker uses: while n of them run at the same time, each has an n-th part.

    Args:
        energy: of the worker; None: it is not measured.
        clock: seconds.
        gpus: see `gpus_used`.
    """

    def __init__(
        self,
        energy: EnergyMeter | None = None,
        clock: Callable[[], float] = time.monotonic,
        gpus: Callable[[], float] = gpus_used,
    ) -> None:
        self._energy, self._clock, self._gpus = energy, clock, gpus
        self._running: dict[int, Cost] = {}
        self._answered: dict[int, float] = {}
        self._at, self._joules = clock(), self._read()
        self._made = self._at

    def begin(self, number: int, before: Cost | None = None) -> None:
        """Counts for a trial from now on; `before`: what it used when it ran earlier."""
        self._settle()
        self._running[number] = before or Cost()

    def now_and_then(self, number: int) -> Cost | None:
        """What a trial that runs has used; None where the last answer is younger than half a minute."""
        if self._clock() - self._answered.get(number, self._made) < _INTERVAL:
            return None
        self._settle()
        self._answered[number] = self._at
        return self._running.get(number)

    def used(self, number: int) -> Cost | None:
        """What a trial that runs has used; None where it is not counted."""
        self._settle()
        return self._running.get(number)

    def end(self, number: int) -> Cost | None:
        """Counts no longer for a trial; returns what it has used, or None where it is not counted."""
        self._settle()
        self._answered.pop(number, None)
        return self._running.pop(number, None)

    def _read(self) -> float | None:
        return None if self._energy is None else self._energy.read()

    def _settle(self) -> None:
        """Gives each trial that runs its part of what was used since the last time."""
        now, joules = self._clock(), self._read()
        parts = max(1, len(self._running))
        seconds = (now - self._at) / parts
        energy = None if joules is None else (joules - (self._joules or 0.0)) / parts
        part = Cost(seconds, seconds * self._gpus(), energy)
        self._at, self._joules = now, joules
        self._running = {number: cost + part for number, cost in self._running.items()}
