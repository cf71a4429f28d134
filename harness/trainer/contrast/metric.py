"""Metric learning by the losses and miners of pytorch-metric-learning."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

from harness.trainer.contrast.single_projection import ProjectedMethod
from harness.trainer.contrastive_method import Contrast


@final
class Metric(ProjectedMethod):
    """SimCLR (arXiv 2002.05709), SupCon (2004.11362), triplets (1503.03832): by loss, miner and labels.

    The loss sees a projection of the representation (arXiv 2002.05709, section 4.2).

    Args:
        loss: (embeddings, labels, mined) -> scalar, as pytorch-metric-learning's losses; equal labels
            belong together. Parameters of its own (proxies, class centres) are learned too.
        miner: (embeddings, labels) -> the tuples that the loss is taken over, or None for all.
        labels: true: rows of one class belong together; false: only the two views of one row do.
        projection: widths of the projection head's layers.
    """

    def __init__(
        self, *, loss: nn.Module, miner: nn.Module | None, labels: bool, projection: list[int]
    ) -> None:
        super().__init__(projection)
        self.loss = loss
        self.miner = miner
        self.labels = labels

    def compare(self, parts: Contrast, *embedded: Tensor) -> Tensor:
        (embeddings,) = embedded
        labels = parts.labels.repeat(2)
        if parts.negatives is not None:
            alone = torch.arange(len(parts.negatives), device=labels.device) + labels.max() + 1
            labels = torch.cat([labels, alone])
        return self.measure(embeddings, labels)

    def measure(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """embeddings (V, P) float32 of V views, labels (V,) int64 -> scalar."""
        mined: Any = None if self.miner is None else self.miner(embeddings, labels)
        loss: Tensor = self.loss(embeddings, labels, mined)
        return loss
