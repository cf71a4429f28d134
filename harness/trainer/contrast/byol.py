"""BYOL: predicts a momentum copy's embedding of the other view."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

from harness.loss.cosine_distance import cosine_distance
from harness.trainer.contrast.momentum_encoder import Momentum, require_momentum
from harness.trainer.contrast.projection_heads import mlp, require_widths
from harness.trainer.contrastive_method import Contrast, MomentumMethod


@final
class Byol(MomentumMethod):
    """Bootstrap your own latent (arXiv 2006.07733): no negatives; a predictor and a target network that
    follows keep the embeddings from falling together.

    Args:
        projection: widths of the projection head's layers.
        prediction: widths of the predictor's layers, the last that of the projection's output.
        momentum: share of its own weights that the target keeps at the first step; it rises to 1 at the
            last along a cosine (section 3.3).
    """

    vectorised = True

    def __init__(self, *, projection: list[int], prediction: list[int], momentum: float) -> None:
        super().__init__()
        self.projection = require_widths("projection", projection)
        self.prediction = require_same_output(require_widths("prediction", prediction), projection)
        self.momentum = require_momentum(momentum)

    def build(self, model: nn.Module, width: int) -> None:
        self.projector = mlp(width, self.projection)
        self.predictor = mlp(self.projection[-1], self.prediction)
        self.target = Momentum(model, self.projector)

    def embed(self, representation: Tensor, parts: Contrast) -> tuple[Tensor, ...]:
        predictions = self.predictor(self.projector(representation))
        return predictions, self.target(torch.cat(self.views(parts)))

    def compare(self, parts: Contrast, *embedded: Tensor) -> Tensor:
        (one, other), (of_one, of_other) = (views.chunk(2) for views in embedded)
        return 2 * (cosine_distance(one, of_other) + cosine_distance(other, of_one))

    def follow(self, model: nn.Module, share: float) -> None:
        momentum = 1 - (1 - self.momentum) * (math.cos(math.pi * share) + 1) / 2
        self.target.follow(momentum, model, self.projector)


def require_same_output(prediction: list[int], projection: list[int]) -> list[int]:
    """The widths of a predictor.

    Raises:
        ValueError: its output has another width than what it predicts.
    """
    if prediction[-1] != projection[-1]:
        raise ValueError(
            f"prediction must end with the width that projection ends with, {projection[-1]}, "
            f"got {prediction[-1]}"
        )
    return prediction
