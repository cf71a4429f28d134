"""Progress: what a trainer yields once per epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """The state of a training at the end of an epoch.

    epoch    1 for the first
    epochs   how many there will be at most
    step     optimizer steps so far
    scores   `train/loss`, `valid/…`, `time/epoch_seconds`, `lr`
    best     whether the monitored score is the best so far
    state    everything that exact resume needs, as tensors and plain values; computed when called
    """

    epoch: int
    epochs: int
    step: int
    scores: dict[str, float]
    best: bool
    state: Callable[[], dict[str, Any]]
