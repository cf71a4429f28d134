"""Barlow Twins: the cross-correlation of two views' embeddings, drawn towards the identity."""

from __future__ import annotations

from torch import Tensor

_EPSILON = 1e-5
"""Added to a variance, as batch normalisation does, so that a constant dimension counts as uncorrelated."""


def barlow_twins(first: Tensor, second: Tensor, *, redundancy: float) -> Tensor:
    """sum_i (1 - C_ii)^2 + redundancy * sum_{i != j} C_ij^2 (arXiv 2103.03230, eq. 1 and 2).

    C is the cross-correlation, over the batch, of the dimensions of two views.

    Args:
        first, second: (B, P) float32, row i of both from the same sample; B at least 2.
        redundancy: lambda, what a correlation between different dimensions weighs.
    """
    correlation = _standardised(first).T @ _standardised(second) / len(first)
    diagonal = correlation.diagonal()
    invariance = (1 - diagonal).square().sum()
    return invariance + redundancy * (correlation.square().sum() - diagonal.square().sum())


def _standardised(embeddings: Tensor) -> Tensor:
    """Each dimension with mean 0 and variance 1 over the batch."""
    variance, mean = embeddings.var(dim=0, correction=0), embeddings.mean(dim=0)
    return (embeddings - mean) * (variance + _EPSILON).rsqrt()
