"""Metrics of a classification, in torch, on the device of the outputs.

All take `log_p`, (n, C) float64 log-probabilities, or values computed from it, and return a scalar
float64; each is NaN on a part without rows.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from harness.evaluate.scored_rows import exact

_CLASSES_AT_ONCE = 64  # bounds the memory of the ranks on a part with a thousand classes


def log_probabilities(outputs: Tensor) -> Tensor:
    """Logits (n, C), or one logit (n,) of class 1, -> (n, C) float64."""
    logits = exact(outputs)
    if logits.ndim == 1:
        return torch.stack([logsigmoid(-logits), logsigmoid(logits)], dim=1)
    return logits.log_softmax(dim=1)


def confusion(predicted: Tensor, targets: Tensor, classes: int) -> Tensor:
    """(C, C) int64 counts, true class by row, predicted class by column."""
    counts = torch.zeros(classes * classes, dtype=torch.int64, device=targets.device)
    counts.index_add_(0, targets * classes + predicted, torch.ones_like(targets))
    return counts.reshape(classes, classes)


def accuracy(log_p: Tensor, targets: Tensor) -> Tensor:
    """The share of rows whose most probable class is the true one."""
    return (log_p.argmax(dim=1) == targets).sum().double() / len(targets)


def macro_f1(log_p: Tensor, targets: Tensor) -> Tensor:
    """The mean over the classes present in the part of F1 = 2 TP / (2 TP + FP + FN).

    Two classes are averaged too: which of them has code 1 is an accident of the alphabet.
    """
    counts = confusion(log_p.argmax(dim=1), targets, log_p.shape[1])
    support = counts.sum(dim=1)
    f1 = 2 * counts.diagonal().double() / (support + counts.sum(dim=0))
    return torch.where(support > 0, f1, torch.nan).nanmean()


def log_loss(log_p: Tensor, targets: Tensor) -> Tensor:
    """The mean negative log-probability of the true class, in nats."""
    return -log_p.gather(1, targets[:, None]).mean()


def expected_calibration_error(log_p: Tensor, targets: Tensor, bins: int) -> Tensor:
    """The mean gap between confidence and accuracy over `bins` equal bins (lower, upper].

    Confidence is the probability of the predicted class (Guo et al., arXiv 1706.04599, eq. 5).
    """
    confidence, predicted = log_p.max(dim=1)
    confidence = confidence.exp()
    edges = torch.arange(1, bins, dtype=torch.float64, device=log_p.device) / bins
    gaps = torch.zeros(bins, dtype=torch.float64, device=log_p.device)
    gaps.index_add_(0, torch.bucketize(confidence, edges), (predicted == targets).double() - confidence)
    return gaps.abs().sum() / len(targets)


def macro_auroc(log_p: Tensor, targets: Tensor) -> Tensor:
    """The area under the ROC curve of each class against the rest, averaged over the classes present.

    By the rank-sum identity, ties counting half. A class that no row or every row belongs to has
    no curve; NaN where no class has one.
    """
    areas = []
    for first in range(0, log_p.shape[1], _CLASSES_AT_ONCE):
        scores = log_p[:, first : first + _CLASSES_AT_ONCE].T.contiguous()
        codes = torch.arange(first, first + len(scores), device=targets.device)
        areas.append(roc_areas(scores, targets == codes[:, None]))
    return torch.cat(areas).nanmean()


def unless_nan(values: dict[str, Tensor], log_p: Tensor) -> dict[str, Tensor]:
    """The values, or NaN for each where a prediction is NaN, which a score of ranks takes for a good one."""
    if not values:
        return {}
    together = torch.where(log_p.isnan().any(), torch.nan, torch.stack(list(values.values())))
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
