"""Temperature scaling: one number divides the logits, so that probabilities are as sure as they are right.

Guo et al. 2017, arXiv:1706.04599, section 4.2. The most probable class stays the same.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness.core.task import Task

LEAST, MOST = 0.05, 20.0
"""The range of a temperature. Few rows would give one of any size."""

_HALVINGS = 60


def fit_temperature(outputs: Tensor, targets: Tensor, task: Task) -> float:
    """The temperature of the least log-loss over the rows.

    Where every row is right, the log-loss falls with the temperature down to 0, which says nothing about how
    sure the network may be: the temperature is then 1.

    Args:
        outputs: (n, C) logits of classes or labels, or (n,) of two classes.
        targets: (n,) class codes, or (n, C) labels of 0 and 1, all known.
    """
    logits, targets = outputs.detach().cpu().double(), targets.cpu()
    labels = task.kind == "multilabel"
    if not labels and logits.ndim == 1:
        logits = torch.stack([torch.zeros_like(logits), logits], dim=1)
    if _slope(logits, targets, math.inf, labels) <= 0:
        return 1.0
    low, high = math.log(1 / MOST), math.log(1 / LEAST)
    # The log-loss is convex in 1 / temperature, so its slope changes its sign once.
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _slope(logits, targets, math.exp(middle), labels) < 0:
            low = middle
        else:
            high = middle
    return math.exp(-(low + high) / 2)


def _slope(logits: Tensor, targets: Tensor, sharpness: float, labels: bool) -> float:
    """The derivative of the mean log-loss with respect to 1 / temperature, there; at infinity its limit."""
    if labels:
        certain = (logits > 0).double()
        expected = certain if math.isinf(sharpness) else (sharpness * logits).sigmoid()
        return float(((expected - targets.double()) * logits).mean())
    true = logits.gather(1, targets[:, None]).squeeze(1)
    if math.isinf(sharpness):
        return float((logits.max(dim=1).values - true).mean())
    expected = ((sharpness * logits).softmax(dim=1) * logits).sum(dim=1)
    return float((expected - true).mean())
