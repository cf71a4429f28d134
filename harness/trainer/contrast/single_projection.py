"""Base of the methods that compare one projection of all rows."""

from __future__ import annotations

from torch import Tensor, nn

from harness.trainer.contrast.projection_heads import mlp, require_widths
from harness.trainer.contrastive_method import Contrast, ContrastiveMethod


class ProjectedMethod(ContrastiveMethod):
    """Embeds all views by one projection head; what is left to say is how they compare.

    Args:
        projection: widths of the projection head's layers.
    """

    def __init__(self, projection: list[int]) -> None:
        super().__init__()
        self.projection = require_widths("projection", projection)

    def build(self, model: nn.Module, width: int) -> None:
        self.projector = mlp(width, self.projection)

    def embed(self, representation: Tensor, parts: Contrast) -> tuple[Tensor, ...]:
        return (self.projector(representation),)
