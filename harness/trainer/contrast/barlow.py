"""Barlow Twins: each dimension agrees between two views, and different dimensions do not correlate."""

from __future__ import annotations

from typing import final

from torch import Tensor

from harness.loss.barlow_twins import barlow_twins
from harness.trainer.contrast.projection_heads import require_above
from harness.trainer.contrast.single_projection import ProjectedMethod
from harness.trainer.contrastive_method import Contrast


@final
class Barlow(ProjectedMethod):
    """Redundancy reduction (arXiv 2103.03230), without negatives, copy or stopped gradient.

    Args:
        projection: widths of the projection head's layers; the wider, the better, says the paper.
        redundancy: what a correlation between different dimensions weighs against one within a dimension.
    """

    vectorised = True

    def __init__(self, *, projection: list[int], redundancy: float) -> None:
        super().__init__(projection)
        self.redundancy = require_above("redundancy", redundancy)

    def compare(self, parts: Contrast, *embedded: Tensor) -> Tensor:
        first, second = embedded[0].chunk(2)
        return barlow_twins(first, second, redundancy=self.redundancy)
