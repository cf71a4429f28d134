"""Metrics of a classification, in torch, on the device of the outputs.

All take `log_p`, (n, C) float64 log-probabilities, or values computed from it, and return a scalar
float64; each is NaN on a part without rows. Those that say so also take the predictions of several networks
beside each other, and return a number for each, with the bits that it has alone: what adds up floats is
computed for each network by itself, because torch may add several rows in another order.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from harness.evaluate.scored_rows import exact

_CURVES_AT_ONCE = 64  # bounds the memory of the ranks on a part with a thousand classes


def log_probabilities(outputs: Tensor, one_logit: bool | None = None) -> Tensor:
    """Logits (n, C), or one logit (n,) of class 1, -> (n, C) float64; (K, n, C) of K networks.

    Args:
        one_logit: whether the outputs are one logit, (n,) or (K, n); None: where they are (n,).
    """
    logits = exact(outputs)
    if logits.ndim == 1 if one_logit is None else one_logit:
        return torch.stack([logsigmoid(-logits), logsigmoid(logits)], dim=-1)
    return logits.log_softmax(dim=-1)


def confusion(predicted: Tensor, targets: Tensor, classes: int) -> Tensor:
    """(C, C) int64 counts, true class by row, predicted class by column; (K, C, C) of (K, n)."""
    cells, networks = targets * classes + predicted, targets.shape[:-1]
    if networks:
        first = torch.arange(len(targets), device=targets.device) * classes**2
        cells = (cells + first.unsqueeze(1)).flatten()
    counts = torch.zeros(networks.numel() * classes**2, dtype=torch.int64, device=targets.device)
    counts.index_add_(0, cells, torch.ones_like(cells))
    return counts.view(*networks, classes, classes)


def accuracy(log_p: Tensor, targets: Tensor) -> Tensor:
    """The share of rows whose most probable class is the true one; (K,) of (K, n, C) and (K, n)."""
    return (log_p.argmax(dim=-1) == targets).sum(dim=-1).double() / targets.shape[-1]


def macro_f1(log_p: Tensor, targets: Tensor) -> Tensor:
    """The mean over the classes present in the part of F1 = 2 TP / (2 TP + FP + FN).

    Two classes are averaged too: which of them has code 1 is an accident of the alphabet.
    (K,) of (K, n, C) and (K, n).
    """
    counts = confusion(log_p.argmax(dim=-1), targets, log_p.shape[-1])
    support = counts.sum(dim=-1)
    f1 = 2 * counts.diagonal(dim1=-2, dim2=-1).double() / (support + counts.sum(dim=-2))
    return _each(torch.nanmean, torch.where(support > 0, f1, torch.nan))


def log_loss(log_p: Tensor, targets: Tensor) -> Tensor:
    """The mean negative log-probability of the true class, in nats; (K,) of (K, n, C) and (K, n)."""
    return -_each(torch.mean, log_p.gather(-1, targets.unsqueeze(-1)).squeeze(-1))


def _each(mean: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """The mean of (n,), or that of each row of (K, n), a contiguous one, as if it were alone."""
    if values.ndim == 1:
        return mean(values)
    return torch.stack([mean(row) for row in values.unbind(0)])


def expected_calibration_error(log_p: Tensor, targets: Tensor, bins: int) -> Tensor:
    """The mean gap between confidence and accuracy over `bins` equal bins (lower, upper].

    Confidence is the probability of the predicted class (Guo et al., arXiv 1706.04599, eq. 5).
    (K,) of (K, n, C) and (K, n).
    """
    if targets.ndim > 1:
        pairs = zip(log_p.unbind(0), targets.unbind(0), strict=True)
        return torch.stack([expected_calibration_error(*pair, bins) for pair in pairs])
    confidence, predicted = log_p.max(dim=1)
    confidence = confidence.exp()
    edges = torch.arange(1, bins, dtype=torch.float64, device=log_p.device) / bins
    gaps = torch.zeros(bins, dtype=torch.float64, device=log_p.device)
    gaps.index_add_(0, torch.bucketize(confidence, edges), (predicted == targets).double() - confidence)
    return gaps.abs().sum() / len(targets)


def macro_auroc(log_p: Tensor, targets: Tensor) -> Tensor:
    """The area under the ROC curve of each class against the rest, averaged over the classes present.

    By the rank-sum identity, ties counting half. A class that no row or every row belongs to has
    no curve; NaN where no class has one. (K,) of (K, n, C) and (K, n).
    """
    networks = targets.shape[:-1]
    step = max(1, _CURVES_AT_ONCE // networks.numel())
    areas = []
    for first in range(0, log_p.shape[-1], step):
        count = min(step, log_p.shape[-1] - first)
        scores = log_p.narrow(-1, first, count).transpose(-1, -2).contiguous()
        codes = torch.arange(first, first + count, device=targets.device)
        inside = targets.unsqueeze(-2) == codes.unsqueeze(1)
        areas.append(roc_areas(scores.flatten(0, -2), inside.flatten(0, -2)).view(*networks, count))
    return _each(torch.nanmean, torch.cat(areas, dim=-1))


def unless_nan(values: dict[str, Tensor], log_p: Tensor) -> dict[str, Tensor]:
    """The values, or NaN for each where a prediction is NaN, which a score of ranks takes for a good one.

    Of (K, n, C) the values are (K,).
    """
    if not values:
        return {}
    unknown = log_p.isnan()
    unknown = unknown.any() if log_p.ndim == 2 else unknown.flatten(-2).any(dim=-1)
    together = torch.where(unknown, torch.nan, torch.stack(list(values.values())))
    return dict(zip(values, together.unbind(0), strict=True))


def roc_areas(scores: Tensor, member: Tensor) -> Tensor:
    """Scores (C, n) and membership (C, n) -> (C,) areas, NaN where there is no curve."""
    ordered = scores.sort(dim=1).values
    below = torch.searchsorted(ordered, scores)
    not_above = torch.searchsorted(ordered, scores, right=True)
    twice_ranks = below + not_above + 1  # whole numbers, so that the sums are exact
    inside = member.sum(dim=1)
    outside = member.shape[1] - inside
    twice_wins = (twice_ranks * member).sum(dim=1) - inside * (inside + 1)
    return twice_wins.double() / (2 * inside * outside)  # 0 / 0 is NaN
