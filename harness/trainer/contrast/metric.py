"""Metric learning by the losses and miners of pytorch-metric-learning."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

from harness.loss.supervised_contrastive import supervised_contrastive
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

    @property
    def why_not_fused(self) -> str | None:
        if self.miner is not None:
            return "trainer.method.miner chooses pairs by their values"
        if not _is_plain_supcon(self.loss):
            return f"trainer.method.loss={type(self.loss).__name__} is not vectorised"
        return None

    def compare(self, parts: Contrast, *embedded: Tensor) -> Tensor:
        return self.measure(embedded[0], _labels_of_views(parts))

    def compare_members(self, parts: Contrast, *embedded: Tensor) -> Tensor:
        temperature: Any = self.loss.temperature
        return supervised_contrastive(embedded[0], _labels_of_views(parts), temperature=temperature)

    def measure(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """embeddings (V, P) float32 of V views, labels (V,) int64 -> scalar."""
        mined: Any = None if self.miner is None else self.miner(embeddings, labels)
        loss: Tensor = self.loss(embeddings, labels, mined)
        return loss


def _labels_of_views(parts: Contrast) -> Tensor:
    """(V,) int64; negatives belong with nothing."""
    labels = parts.labels.repeat(2)
    if parts.negatives is None:
        return labels
    alone = torch.arange(len(parts.negatives), device=labels.device) + labels.max() + 1
    return torch.cat([labels, alone])


def _is_plain_supcon(loss: Any) -> bool:
    """Whether a loss computes what `supervised_contrastive` does."""
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.losses import SupConLoss
    from pytorch_metric_learning.reducers import AvgNonZeroReducer

    if type(loss) is not SupConLoss or loss.embedding_regularizer is not None:
        return False
    parts = type(loss.distance), type(loss.reducer), loss.distance.power, loss.distance.p
    return parts == (CosineSimilarity, AvgNonZeroReducer, 1, 2)
