"""VICReg: two views alike, every dimension spread out, no two dimensions telling the same."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import mse_loss

_EPSILON = 1e-4
"""Under the root of a variance, whose gradient would be infinite at 0 (the paper's)."""


def vicreg(first: Tensor, second: Tensor, *, invariance: float, variance: float, covariance: float) -> Tensor:
    """The weighted sum of the three terms of arXiv 2105.04906, eq. 6.

    As in the authors' code, the invariance is the mean over dimensions too, and the variance term the mean
    of both views': with the paper's weights, pytorch-metric-learning's `VICRegLoss`. That one selects the
    covariances by a mask, for which a graphics card makes the program wait.

    Args:
        first, second: (B, P) float32, row i of both from the same sample; B at least 2.
        invariance, variance, covariance: lambda, mu and nu, the weights of the terms.
    """
    spread = (_below_one(first) + _below_one(second)) / 2
    shared = _covariances(first) + _covariances(second)
    return invariance * mse_loss(first, second) + variance * spread + covariance * shared


def _below_one(embeddings: Tensor) -> Tensor:
    """By how much the standard deviations of the dimensions fall short of 1, on average (eq. 1)."""
    return (1 - (embeddings.var(dim=0) + _EPSILON).sqrt()).relu().mean()


def _covariances(embeddings: Tensor) -> Tensor:
    """The squared covariances of different dimensions, summed, per dimension (eq. 3 and 4)."""
    count, width = embeddings.shape
    centred = embeddings - embeddings.mean(dim=0)
    covariance = centred.T @ centred / (count - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / width
