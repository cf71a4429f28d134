"""SimSiam: prediction of the other view's projection, with a stopped gradient."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from harness.loss.cosine_distance import cosine_distance
from harness.trainer.contrast.byol import require_same_output
from harness.trainer.contrast.projection_heads import mlp, require_widths
from harness.trainer.contrastive_method import Contrast, ContrastiveMethod


@final
class SimSiam(ContrastiveMethod):
    """Simple Siamese representation learning (arXiv 2011.10566): no negatives, no copy.

    What keeps the embeddings from falling together is the stopped gradient. The loss is the paper's plus
    one, so that 0 is the best there is; a loss that drops to 0 within a few steps is a sign of collapse.

    Args:
        projection: widths of the projection head's layers, each with batch normalisation, the last too.
        prediction: widths of the predictor's layers, a bottleneck that ends as wide as the projection.
    """

    vectorised = True

    def __init__(self, *, projection: list[int], prediction: list[int]) -> None:
        super().__init__()
        self.projection = require_widths("projection", projection)
        self.prediction = require_same_output(require_widths("prediction", prediction), projection)

    def build(self, model: nn.Module, width: int) -> None:
        self.projector = mlp(width, self.projection, norm="all")
        self.predictor = mlp(self.projection[-1], self.prediction)

    def embed(self, representation: Tensor, parts: Contrast) -> tuple[Tensor, ...]:
        projections = self.projector(representation)
        return self.predictor(projections), projections.detach()

    def compare(self, parts: Contrast, *embedded: Tensor) -> Tensor:
        (one, other), (of_one, of_other) = (views.chunk(2) for views in embedded)
        return (cosine_distance(one, of_other) + cosine_distance(other, of_one)) / 2
