"""The time spent on training steps, summed over the processes of a resumed run."""

from __future__ import annotations

from time import perf_counter
from typing import final


@final
class Clock:
    """Runs while steps are taken; validation, and consumers of the progress, do not count."""

    def __init__(self) -> None:
        self._epochs = self._epoch = 0.0
        self._since: float | None = None

    @property
    def epoch(self) -> float:
        """Seconds of the epoch that is under way, or has just ended."""
        return self._epoch + (0.0 if self._since is None else perf_counter() - self._since)

    @property
    def total(self) -> float:
        """Seconds of all epochs."""
        return self._epochs + self.epoch

    def run(self) -> None:
        self._since = perf_counter()

    def halt(self) -> None:
        self._epoch, self._since = self.epoch, None

    def add(self, seconds: float) -> None:
        """Counts time that other code measured, such as a share of that of several trainings."""
        self._epoch += seconds

    def turn(self) -> None:
        """Starts the next epoch at the next `run`."""
        self._epochs, self._epoch, self._since = self.total, 0.0, None

    def state_dict(self) -> dict[str, float]:
        return {"epochs": self._epochs, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self._epochs, self._epoch, self._since = float(state["epochs"]), float(state["epoch"]), None
