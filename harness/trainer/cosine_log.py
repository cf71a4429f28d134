"""The schedule of RealMLP: waves of the learning rate that become longer, and a falling weight decay."""

from __future__ import annotations

import math
from typing import Any, final

import torch


@final
class CosineLog:
    """Waves of the learning rate on a logarithmic scale of time: "coslog" of arXiv 2407.04491, section 3.

    Step s of T (0 for the first) is at the rate times (1 - cos(2 pi log2(1 + (2^waves - 1) s / T))) / 2: each
    wave is twice as long as the one before, and the last step of all is at a rate near 0.

    Args:
        total_steps: T, optimizer steps of the whole training; given by the trainer.
        waves: how often the rate rises and falls, at least 1.
        falling_decay: whether the weight decay is constant in the first half of the training and falls as a
            cosine to 0 in the second ("flat_cos"); false: it stays as it is.

    Raises:
        ValueError: `waves` is below 1.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, *, total_steps: int, waves: int, falling_decay: bool
    ) -> None:
        if waves < 1:
            raise ValueError(f"waves must be at least 1, got {waves}")
        self._total, self._waves, self._falling = max(total_steps, 1), waves, falling_decay
        # The groups are read at each move: an optimizer that loads a state makes new ones.
        self._optimizer = optimizer
        self._rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._decays = [group.get("weight_decay") for group in optimizer.param_groups]
        self._move_to(0)

    def step(self) -> None:
        """Moves on by one optimizer step."""
        self._move_to(self._steps + 1)

    def _move_to(self, step: int) -> None:
        self._steps = step
        share = min(step / self._total, 1.0)
        factor = 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + (2**self._waves - 1) * share)))
        kept = 1.0 if share < 0.5 else 0.5 * (1 + math.cos(math.pi * (2 * share - 1)))
        groups = zip(self._optimizer.param_groups, self._rates, self._decays, strict=True)
        for group, rate, decay in groups:
            group["lr"] = rate * factor
            if self._falling and decay:
                group["weight_decay"] = decay * kept

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._move_to(int(state["steps"]))
