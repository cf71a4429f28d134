"""Barlow Twins: two views whose embeddings agree, dimension by dimension, and repeat nothing."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from harness.loss.barlow import barlow_twins
from harness.trainer.contrast.heads import mlp, require_above, require_widths
from harness.trainer.method import Contrast, ContrastiveMethod


@final
class Barlow(ContrastiveMethod):
    """Redundancy reduction (arXiv 2103.03230), without negatives, copy or stopped gradient.

    Args:
        projection: widths of the projection head's layers; the wider, the better, says the paper.
        redundancy: what a correlation between different dimensions weighs against one within a dimension.
    """

    def __init__(self, *, projection: list[int], redundancy: float) -> None:
        super().__init__()
        self.projection = require_widths("projection", projection)
        self.redundancy = require_above("redundancy", redundancy)

    def build(self, model: nn.Module, width: int) -> None:
        self.projector = mlp(width, self.projection)

    def embed(self, representation: Tensor, parts: Contrast) -> tuple[Tensor, ...]:
        return tuple(self.projector(representation).chunk(2))

    def compare(self, parts: Contrast, *embedded: Tensor) -> Tensor:
        first, second = embedded
        return barlow_twins(first, second, redundancy=self.redundancy)
