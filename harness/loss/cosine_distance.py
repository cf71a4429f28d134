"""Cosine distance: the regression of one view's embedding on another's."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cosine_similarity


def cosine_distance(predictions: Tensor, targets: Tensor) -> Tensor:
    """1 - cos(p, z), averaged over the rows: 0 where all point the same way, 2 where all are opposed.

    Twice this is the squared distance of the normalised vectors (BYOL, arXiv 2006.07733, eq. 2); this less
    one is the negative cosine similarity (SimSiam, arXiv 2011.10566, eq. 1).

    Args:
        predictions, targets: (B, P) float32.
    """
    return 1 - cosine_similarity(predictions, targets, dim=1).mean()
