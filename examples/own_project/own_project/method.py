"""A training method of `trainer=contrastive`: which loss compares the views of a row."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from harness.trainer.contrastive_method import Contrast, ContrastiveMethod


class AlignUniform(ContrastiveMethod):
    """Two views of a row lie close together, and all rows spread over the sphere (arXiv:2005.10242).

    Args:
        size: numbers of an embedding.
    """

    def __init__(self, *, size: int) -> None:
        super().__init__()
        self.size = size

    def build(self, model: nn.Module, width: int) -> None:
        """The head from the representation, (B, width), to the embedding; it is not kept."""
        self.head = nn.Linear(width, self.size)

    def embed(self, representation: Tensor, parts: Contrast) -> tuple[Tensor, ...]:
        """(2B, width) -> two tensors (B, size): the views of each row."""
        return self.head(representation).chunk(2)

    def compare(self, parts: Contrast, *embedded: Tensor) -> Tensor:
        """The loss, a scalar above 0."""
        first, second = (normalize(each, dim=1) for each in embedded)
        alignment = (first - second).square().sum(dim=1).mean()
        distances = torch.pdist(torch.cat([first, second])).square()
        return alignment + distances.mul(-2).exp().mean()
