"""A metric: a function of predictions and targets that returns one number."""

from __future__ import annotations

from torch import Tensor


def confidence(predictions: Tensor, targets: Tensor) -> float:
    """The mean probability of the true class.

    Args:
        predictions: (n, C) probabilities.
        targets: (n,) class codes.
    """
    return float(predictions.gather(1, targets[:, None]).mean())
