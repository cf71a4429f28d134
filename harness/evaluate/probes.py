"""Probes of a frozen representation: nearest neighbours, linear models, effective rank.

Features are (n, D) float64, those that a probe learns from called the bank.
"""

from __future__ import annotations

import torch
from torch import Tensor

from harness.runtime.eager_optimizers import skip_dynamo

_DISTANCES_AT_ONCE = 2**25  # 256 MiB as float64
_ROUNDING = 1e-6  # a feature that varies less than this, relative to its mean, is a float32 constant
_GRADIENT = 1e-6  # the largest entry of the gradient at which the logistic regression has converged


def standardise(bank: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    """Both shifted and scaled by the mean and standard deviation of the bank; constants become 0.

    Without it, a probe mostly measures the scale of the features: on digits a random encoder
    scores .56 with raw features and .96 with standardised ones.
    """
    mean, spread = bank.mean(dim=0), bank.std(dim=0, correction=0)
    scale = torch.where(spread > _ROUNDING * mean.abs(), spread, torch.inf)
    return (bank - mean).div_(scale), (queries - mean).div_(scale)


def nearest(bank: Tensor, queries: Tensor, count: int) -> Tensor:
    """(m, count) int64: the rows of the bank at the smallest Euclidean distances, nearest first.

    Euclidean rather than cosine: the same distance has to be fair to a table of two columns,
    where the angle alone says little. Whatever the sizes, few distances are held at a time.
    """
    count = min(count, len(bank))
    at_once = max(1, _DISTANCES_AT_ONCE // len(bank))
    near = [
        torch.cdist(some, bank).topk(count, dim=1, largest=False).indices
        for some in torch.split(queries, at_once)
    ]
    return torch.cat(near)


def vote(labels: Tensor) -> Tensor:
    """(m, k) labels of neighbours, nearest first -> (m,) the most frequent, of equals the nearest."""
    votes = (labels[:, :, None] == labels[:, None, :]).sum(dim=2)
    return labels.gather(1, votes.argmax(dim=1, keepdim=True)).squeeze(1)


def logistic(
    bank: Tensor, targets: Tensor, queries: Tensor, l2: float, iterations: int
) -> tuple[Tensor, bool]:
    """Multinomial logistic regression: (m,) predicted codes, and whether the fit converged.

    Minimises the summed cross-entropy plus `l2` / 2 times the squared weights (the intercept is
    free) by full-batch L-BFGS with a strong Wolfe line search: a convex problem with one answer,
    the one of scikit-learn at C = 1 / `l2`. Two classes have two columns of weights.
    """
    codes, classes = torch.unique(targets, return_inverse=True)
    wanted = torch.nn.functional.one_hot(classes).to(bank)
    weights = bank.new_zeros(bank.shape[1] + 1, len(codes))  # the last row is the intercept
    penalty = torch.full_like(weights, l2 / len(bank))
    penalty[-1] = 0
    weights.requires_grad_()
    skip_dynamo()
    optimizer = torch.optim.LBFGS(
        [weights],
        max_iter=iterations,
        max_eval=2 * iterations,
        tolerance_grad=_GRADIENT,
        tolerance_change=0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    @torch.no_grad()
    def objective() -> float:
        log_p = (bank @ weights[:-1] + weights[-1]).log_softmax(dim=1)
        residual = (log_p.exp() - wanted) / len(bank)
        weights.grad = torch.cat([bank.T @ residual, residual.sum(dim=0, keepdim=True)]) + penalty * weights
        return float((penalty * weights.square()).sum() / 2 - (wanted * log_p).sum() / len(bank))

    optimizer.step(objective)  # type: ignore[no-untyped-call]
    objective()
    assert weights.grad is not None
    converged = bool(weights.grad.abs().max() <= _GRADIENT)
    fitted = weights.detach()
    return codes[(queries @ fitted[:-1] + fitted[-1]).argmax(dim=1)], converged


def ridge(bank: Tensor, targets: Tensor, queries: Tensor, l2: float) -> Tensor:
    """Ridge regression on centred features: predicted numbers, (m,) or, of targets (n, T), (m, T).

    Minimises the squared error plus `l2` times the squared weights, in the primal or, with more
    features than rows, in the dual.
    """
    mean = targets.mean(dim=0)
    rows, width = bank.shape
    if width <= rows:
        gram = bank.T @ bank
        weights = torch.linalg.solve(gram + l2 * torch.eye(width).to(bank), bank.T @ (targets - mean))
    else:
        gram = bank @ bank.T
        weights = bank.T @ torch.linalg.solve(gram + l2 * torch.eye(rows).to(bank), targets - mean)
    predicted: Tensor = queries @ weights + mean
    return predicted


def rankme(features: Tensor) -> Tensor:
    """The effective rank of a representation, a scalar between 1 and min(n, D).

    The exponential of the entropy of its normalised singular values (RankMe, arXiv 2210.02885,
    eq. 1). It needs no label, and a collapsed representation has 1. The singular values are roots
    of the eigenvalues of the smaller Gram matrix. NaN where a feature is not finite.
    """
    if not bool(features.isfinite().all()):
        return features.new_tensor(float("nan"))
    rows, width = features.shape
    gram = features.T @ features if width <= rows else features @ features.T
    singular = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    shares = singular / singular.sum().clamp(min=torch.finfo(singular.dtype).tiny)
    rank: Tensor = torch.special.entr(shares).sum().exp()
    return rank
