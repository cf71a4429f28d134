"""The settings that a training started with, so that one that resumes can change them.

The state of torch's optimizers and schedulers mixes settings with progress. A training that resumes under
other settings (`resume.allow`) would silently fall back to the old ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from harness.trainer.random_state import copied


def resumed_state(begun: Mapping[str, Any], now: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The state to resume with: values that changed since the start, and this training's own for the rest.

    Args:
        begun: the state of the earlier training at its beginning.
        now: its state when it was stopped.
        own: the state of this training at its beginning.

    Raises:
        ValueError: the two are of different kinds.
    """
    if begun.keys() != own.keys():
        raise ValueError(f"another state: {', '.join(map(str, begun))}; now {', '.join(map(str, own))}")
    moved = {key: value for key, value in now.items() if key not in begun or not _alike(value, begun[key])}
    return {**own, **moved}


@final
class Groups:
    """The settings of an optimizer's groups, as they are when this is made."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._initial = [
            copied({key: value for key, value in group.items() if key != "params"})
            for group in optimizer.param_groups
        ]

    def state_dict(self) -> list[dict[str, Any]]:
        return self._initial

    def load_state_dict(self, state: list[dict[str, Any]]) -> None:
        """To be called when the optimizer has its state; a rate keeps its ratio to the rate at the start."""
        for group, own, begun in zip(self._optimizer.param_groups, self._initial, state, strict=True):
            for key, value in own.items():
                if key in begun and not _alike(value, begun[key]):
                    scaled = key == "lr" and begun[key]
                    group[key] = group[key] * (value / begun[key]) if scaled else value


def _alike(value: Any, other: Any) -> bool:
    if isinstance(value, Tensor) and isinstance(other, Tensor):
        return torch.equal(value, other)
    return bool(value == other)
