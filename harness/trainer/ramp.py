"""A learning rate that rises exponentially, to find the rate at which a training diverges."""

from __future__ import annotations

from typing import Any, final

import torch


@final
class Ramp:
    """The rates of a learning-rate range test (arXiv 1506.01186, section 3.3), evenly spaced in logarithm.

    Step s (0 for the first) of T is taken at lowest * (highest / lowest) ** (s / (T - 1)), whatever rate
    the optimizer began with; a group with a `factor` is taken at that share of it.

    Args:
        total_steps: optimizer steps of the whole training; given by the trainer.
        lowest, highest: the first rate and the last, 0 < lowest < highest.

    Raises:
        ValueError: the rates do not rise.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, *, total_steps: int, lowest: float, highest: float
    ) -> None:
        if not 0 < lowest < highest:
            raise ValueError(f"lowest must be above 0 and below highest, got {lowest} and {highest}")
        self._optimizer = optimizer
        self._total, self._lowest, self._highest = total_steps, lowest, highest
        self._move_to(0)

    def step(self) -> None:
        """Moves on by one optimizer step."""
        self._move_to(self._steps + 1)

    def _move_to(self, step: int) -> None:
        self._steps = step
        now = rate(min(step, self._total - 1), self._total, self._lowest, self._highest)
        for group in self._optimizer.param_groups:
            group["lr"] = now * group.get("factor", 1.0)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._move_to(int(state["steps"]))


def rate(step: int, total: int, lowest: float, highest: float) -> float:
    """The rate of a step, 0 for the first of `total`."""
    return float(lowest * (highest / lowest) ** (step / max(total - 1, 1)))
