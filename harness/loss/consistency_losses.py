"""What predictions for rows without labels cost: agreement of two views, and labels that are guessed."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Guess(NamedTuple):
    """What a prediction says of each row.

    probabilities  (M, C) float32, without gradient
    confidence     (M,) the largest of each row
    codes          (M,) int64, its class
    """

    probabilities: Tensor
    confidence: Tensor
    codes: Tensor


def guess(logits: Tensor) -> Guess:
    """(M, C) logits -> the class that each row is taken for; no gradient flows into the guess."""
    probabilities = logits.detach().softmax(dim=1)
    confidence, codes = probabilities.max(dim=1)
    return Guess(probabilities, confidence, codes)


def guessed_cross_entropy(logits: Tensor, codes: Tensor, counts: Tensor) -> Tensor:
    """The cross-entropy of the rows that count, over the number of all: arXiv 2001.07685, equation 4.

    Args:
        logits: (M, C).
        codes: (M,) int64, the guessed class of each row.
        counts: (M,) bool, which guesses are trusted.
    """
    return (F.cross_entropy(logits, codes, reduction="none") * counts).mean()


def softmax_distance(logits: Tensor, others: Tensor) -> Tensor:
    """The mean squared difference of two predictions' probabilities, both (M, C) logits -> scalar.

    The mean is over rows and classes (arXiv 1610.02242, algorithm 1); gradient flows into both.
    """
    return F.mse_loss(logits.softmax(dim=1), others.softmax(dim=1))


def sigmoid_ramp(share: float, over: float) -> float:
    """The weight exp(-5 (1 - share / over)^2), 1 from `over` on: arXiv 1610.02242, section 3.1.

    Args:
        share: of the training that is done, in [0, 1).
        over: the share of the training in which the weight rises; 0: it is 1 at once.
    """
    left = max(0.0, 1 - share / over) if over > 0 else 0.0
    return math.exp(-5 * left**2)


def linear_ramp(share: float, begin: float, end: float) -> float:
    """0 up to `begin`, 1 from `end` on, a straight line in between; all are shares of the training."""
    if share >= end:
        return 1.0
    return max(0.0, share - begin) / (end - begin)


def fairness(logits: Tensor, counts: Tensor, expected: Tensor, histogram: Tensor) -> Tensor:
    """What FreeMatch adds so that no class is forgotten: arXiv 2205.07246, equation 11.

    Mean probability of each class over how often it is predicted, of this batch (p) and of the past (q):
    the sum of q log p, both scaled to sum to one. 0 where no row counts.

    Args:
        logits: (M, C) of the strongly changed rows; gradient flows into their probabilities alone.
        counts: (M,) bool, which rows count.
        expected: (C,) the mean probability of each class so far.
        histogram: (C,) the share of the rows that were predicted to be of each class so far.
    """
    probabilities = logits.softmax(dim=1)
    weight = counts.to(probabilities.dtype)
    mean = (probabilities * weight[:, None]).sum(0)
    predicted = class_weights(probabilities.argmax(dim=1), weight, logits.shape[1])
    now, before = _scaled(mean, predicted), _scaled(expected, histogram)
    term = (before * torch.log(now + 1e-12)).sum()
    return torch.where(counts.any(), term, 0.0)


def class_weights(codes: Tensor, weights: Tensor, classes: int) -> Tensor:
    """(classes,) the sum of the weights (M,) of each class, codes (M,) int64; without waiting for the
    device."""
    return weights.new_zeros(classes).scatter_add(0, codes, weights)


def _scaled(amount: Tensor, by: Tensor) -> Tensor:
    """amount / by, 0 where `by` is 0, scaled to sum to one."""
    ratio = torch.where(by > 0, amount / torch.where(by > 0, by, 1.0), 0.0)
    total: Tensor = ratio / ratio.sum().clamp(min=1e-12)
    return total
