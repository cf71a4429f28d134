"""VICReg: invariance of views, with variance and covariance terms against collapse."""

from __future__ import annotations

from typing import final

from torch import Tensor

from harness.loss.vicreg_terms import vicreg
from harness.trainer.contrast.single_projection import ProjectedMethod
from harness.trainer.contrastive_method import Contrast


@final
class VicReg(ProjectedMethod):
    """Variance-invariance-covariance regularisation (arXiv 2105.04906), without negatives or copy.

    Args:
        projection: widths of the projection head's layers, which the paper calls the expander.
        invariance: weight of how far two views of a row lie apart.
        variance: weight of how far the standard deviation of a dimension falls short of 1.
        covariance: weight of what two dimensions share.
    """

    vectorised = True

    def __init__(
        self, *, projection: list[int], invariance: float, variance: float, covariance: float
    ) -> None:
        super().__init__(projection)
        self.weights = {"invariance": invariance, "variance": variance, "covariance": covariance}
        for name, weight in self.weights.items():
            if not weight >= 0:
                raise ValueError(f"{name} must be a weight of at least 0, got {weight}")

    def compare(self, parts: Contrast, *embedded: Tensor) -> Tensor:
        first, second = embedded[0].chunk(2)
        return vicreg(first, second, **self.weights)
