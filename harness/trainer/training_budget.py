"""The length of a training in epochs, steps or minutes, whichever ends first."""

from __future__ import annotations

import math
from typing import Literal, final

from harness.trainer.training_clock import Clock


@final
class Budget:
    """The end of a training. `epochs` and `steps` are known after `plan`.

    Args:
        epochs: passes over the training rows; None: as many as the steps take.
        steps: optimizer steps; None: as many as the epochs have.
        minutes: of training, summed over all processes of a resumed run; None: no limit.

    Raises:
        ValueError: a value is out of range, or neither epochs nor steps are given.
    """

    def __init__(
        self, epochs: int | Literal["auto"] | None, steps: int | None, minutes: float | None
    ) -> None:
        if isinstance(epochs, str):
            raise ValueError(f"epochs must be a number or null by now, got {epochs}")
        for name, value, others in (("epochs", epochs, "auto, null"), ("steps", steps, "null")):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be {others} or at least 1, got {value}")
        if epochs is None and steps is None:
            raise ValueError("epochs must be auto or a number where steps is null, got null")
        if minutes is not None and not minutes > 0:
            raise ValueError(f"minutes must be above 0 or null, got {minutes}")
        self._asked = (epochs, steps)
        self._seconds = math.inf if minutes is None else 60 * minutes
        self.epochs, self.steps = epochs or 0, steps or 0

    def plan(self, batches: int, accumulate: int) -> None:
        """Computes the largest number of epochs and optimizer steps, from the number of batches per epoch."""
        per_epoch = math.ceil(batches / accumulate)
        epochs, steps = (math.inf if asked is None else asked for asked in self._asked)
        self.steps = int(min(epochs * per_epoch, steps))
        self.epochs = math.ceil(self.steps / per_epoch)

    @property
    def timed(self) -> bool:
        """Whether minutes are counted."""
        return self._seconds < math.inf

    def late(self, clock: Clock) -> bool:
        """Whether the minutes are used up."""
        return clock.total >= self._seconds
