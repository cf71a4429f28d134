"""The interface of the methods of trainer=semi_supervised."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from harness.core.protocol import Augment


class Term(NamedTuple):
    """The loss term of the unlabelled rows.

    loss  scalar, its weight included
    rate  scalar, the share of the rows that counted; None where every row does
    """

    loss: Tensor
    rate: Tensor | None = None


class ConsistencyMethod(nn.Module, ABC):
    """The loss of unlabelled rows.

    A method makes views of such rows. The network sees them together with the labelled rows, in one
    pass, so that batch normalisation takes both for one population; from its logits follows the term
    that is added to the loss. What a method remembers are its buffers, which every checkpoint holds;
    tensors are never read on the host, so that no step waits for the device.

    decay  of a teacher that follows the network, step by step, and sees the last view in its place;
           None: the network teaches itself
    """

    decay: float | None = None

    def begin(self, classes: int, rows: Tensor) -> None:
        """Resets the state; called once before a training.

        Args:
            classes: C.
            rows: (U,) int64, sorted, on the device: the table rows without labels.
        """

    @abstractmethod
    def views(self, inputs: Tensor, augment: Augment) -> tuple[Tensor, ...]:
        """(M, *shape) -> random changes of the same rows, each (M, *shape); the first is learned from."""

    @abstractmethod
    def forward(self, logits: Sequence[Tensor], rows: Tensor, share: float) -> Term:
        """The term of the loss.

        Args:
            logits: (M, C) float32 for each view.
            rows: (M,) int64, the table rows they belong to.
            share: of the training that is done, in [0, 1).
        """


def weak(augment: Augment, inputs: Tensor) -> Tensor:
    """The augmentation's weaker change, see `harness.core.protocol.Augment`; without one, no change."""
    change = getattr(augment, "weak", None)
    changed: Tensor = inputs if change is None else change(inputs)
    return changed


def require_share(**values: float) -> None:
    """Raises ValueError where one is outside [0, 1]."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be between 0 and 1, got {value}")


def require_weight(**values: float) -> None:
    """Raises ValueError where one is negative or not finite."""
    for name, value in values.items():
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name} must be 0 or more, got {value}")
