"""InfoNCE: which of many candidates belongs with a query."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize


def info_nce(
    queries: Tensor,
    positives: Tensor,
    negatives: Tensor,
    *,
    temperature: float,
    excluded: Tensor | None = None,
) -> Tensor:
    """The cross-entropy of finding each query's positive among all the negatives, by cosine similarity
    (arXiv 1807.03748, eq. 4, as arXiv 1911.05722, eq. 1 has it).

    Args:
        queries: (B, P) float32.
        positives: (B, P) float32, row i belongs with query i.
        negatives: (M, P) float32.
        temperature: what the similarities are divided by.
        excluded: (B, M) bool, the negatives that are none for a query; None: all of them are.
    """
    queries, positives, negatives = (normalize(part, dim=1) for part in (queries, positives, negatives))
    apart = queries @ negatives.T
    if excluded is not None:
        apart = apart.masked_fill(excluded, -torch.inf)
    together = (queries * positives).sum(dim=1, keepdim=True)
    logits = torch.cat([together, apart], dim=1) / temperature
    return cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long))
