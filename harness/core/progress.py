"""The progress of a training: yielded after each epoch, and within an epoch where a checkpoint is due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """The state of a training at the end of an epoch, or of a step within one.

    epoch    the epoch that ended, 1 for the first; within one, that which is under way
    epochs   how many there will be at most
    step     optimizer steps so far
    scores   `train/loss`, `valid/…`, `time/epoch_seconds`, `lr`; {} within an epoch
    best     whether the monitored score is the best so far
    state    everything that exact resume needs, as tensors and plain values; computed when called
    whole    whether the epoch has ended
    last     whether the training ends with this epoch
    """

    epoch: int
    epochs: int
    step: int
    scores: dict[str, float]
    best: bool
    state: Callable[[], dict[str, Any]]
    whole: bool = True
    last: bool = False
