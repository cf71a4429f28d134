"""How two predictions of the same rows differ in the scores that are means over rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from harness.core.task import Task
from harness.evaluate.classification_metrics import log_probabilities

_NORMAL = 1.959963984540054
"""The 97.5 % point of the standard normal distribution."""


def as_pooled(outputs: Tensor, task: Task) -> Tensor:
    """A network's outputs in the form that `Evaluator.pool` takes: float64 log-probabilities or numbers."""
    if task.classification:
        return log_probabilities(outputs).double()
    return (logsigmoid(outputs.double()) if task.kind == "multilabel" else outputs).double()


def mean_pooled(outputs: Sequence[Tensor], task: Task) -> Tensor:
    """The mean prediction of several networks in the form of `as_pooled`: of probabilities, or of numbers."""
    stacked = torch.stack([as_pooled(each, task) for each in outputs])
    return stacked.mean(dim=0) if task.kind == "regression" else stacked.exp().mean(dim=0).log()


def difference_interval(
    own: Tensor, other: Tensor, targets: Tensor, task: Task
) -> dict[str, tuple[float, float]]:
    """The 95 % interval of `other` minus `own` over the rows, of each score that is a mean over rows.

    The rows are paired and count as independent; that of the RMSE is by the delta method.

    Args:
        own, other: as `Evaluator.pool` takes them, (n, C) or (n,) or (n, T).
        targets: (n,) or (n, T) without unknown ones.

    Returns:
        By plain name; {} with fewer than two rows, or for labels.
    """
    if len(targets) < 2 or task.kind == "multilabel":
        return {}
    intervals = {}
    for name, gaps in _gaps(own, other, targets, task).items():
        half = _NORMAL * gaps.std().item() / math.sqrt(len(gaps))
        intervals[name] = (gaps.mean().item() - half, gaps.mean().item() + half)
    return intervals


def _gaps(own: Tensor, other: Tensor, targets: Tensor, task: Task) -> dict[str, Tensor]:
    """(n,) of each score: numbers whose mean is the difference."""
    if task.classification:
        right = [(each.argmax(dim=1) == targets).double() for each in (own, other)]
        place = targets[:, None]
        losses = [-each.gather(1, place)[:, 0] for each in (own, other)]
        return {"accuracy": right[1] - right[0], "log_loss": losses[1] - losses[0]}
    errors = [(each - targets.double()).reshape(len(targets), -1) for each in (own, other)]
    sizes = [each.abs().mean(dim=1) for each in errors]
    # The RMSE is a root of a mean: to first order, each row adds to it as below.
    roots = [_parts_of_root(each) for each in errors]
    return {"mae": sizes[1] - sizes[0], "rmse": roots[1] - roots[0]}


def _parts_of_root(errors: Tensor) -> Tensor:
    """(n, T) -> (n,), whose mean is the root mean square error, the mean over the columns."""
    squares = errors.square()
    root = squares.mean(dim=0).sqrt()
    parts = root + torch.where(root > 0, (squares - root.square()) / (2 * root), 0.0)
    return parts.mean(dim=1)
