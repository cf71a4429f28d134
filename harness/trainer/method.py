"""Methods: the losses within a family of trainers, injected from pytorch-metric-learning."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor, nn


@final
class ContrastiveMethod:
    """Which rows belong together, and the loss over their embeddings.

    Args:
        loss: (embeddings, labels, mined) -> scalar, as pytorch-metric-learning's losses; equal labels
            belong together.
        miner: (embeddings, labels) -> the tuples that the loss is taken over, or None for all.
        labels: true: rows of one class belong together; false: only the two views of one row do.
    """

    def __init__(self, *, loss: nn.Module, miner: nn.Module | None, labels: bool) -> None:
        self.loss = loss
        self.miner = miner
        self.labels = labels

    def __call__(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """embeddings (V, P) float32 of V views, labels (V,) int64 -> scalar."""
        mined: Any = None if self.miner is None else self.miner(embeddings, labels)
        loss: Tensor = self.loss(embeddings, labels, mined)
        return loss
