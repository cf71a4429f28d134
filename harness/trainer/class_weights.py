"""Weights of classes in the loss, so that rare classes count more."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.core.errors import UserError
from harness.core.name_list import listed
from harness.core.task import Task
from harness.loss.focal import Focal
from harness.runtime.distributed import average
from harness.runtime.process_group import world

_WEIGHING = ("cross_entropy", "binary_cross_entropy", "focal")
"""The choices of trainer/loss that take weights."""

_MEANS_BY_CLASS = (nn.CrossEntropyLoss, nn.NLLLoss, Focal)
"""Of int64 codes they give the sum of the weighted losses over the sum of the weights."""


def check_weights(weights: list[float] | str | None, criterion: nn.Module, task: Task) -> None:
    """Checks that these class weights fit the task and the loss.

    Raises:
        UserError: the target has no classes, the weights are not one for each, or the loss takes none.
    """
    if weights is None:
        return
    if task.kind == "regression":
        raise UserError(
            f"trainer.class_weights={_shown(weights)} weighs classes, and the target is a number",
            "set trainer.class_weights=null",
            key="trainer.class_weights",
        )
    if isinstance(weights, list) and len(weights) != len(task.classes):
        raise UserError(
            f"trainer.class_weights must be balanced or a weight for each of the {len(task.classes)} classes "
            f"{listed(task.classes, most=20)}, in this order, got {len(weights)}",
            key="trainer.class_weights",
            value=len(weights),
        )
    needed = "weight" if task.kind == "multiclass" else "pos_weight"
    if not hasattr(criterion, needed):
        raise UserError(
            f"trainer.class_weights={_shown(weights)} needs a loss with an attribute {needed}, and "
            f"{type(criterion).__name__} has none",
            f"choose trainer/loss={' or '.join(_WEIGHING)}, or set trainer.class_weights=null",
            key="trainer.class_weights",
        )


def weigh(weights: list[float] | str | None, criterion: nn.Module, task: Task, targets: Tensor) -> None:
    """Sets the weights in the loss, in place.

    Several classes: `weight`, one per class. Two classes: `weight` is that of the first class, and
    `pos_weight` the ratio of the second to the first. Several labels per row: `pos_weight` of each label.

    Args:
        targets: of the training rows, on the device of the loss; rows without a label are left out.
    """
    if weights is None:
        return
    if isinstance(weights, list):
        values = torch.tensor(weights, dtype=torch.float32, device=targets.device)
    else:
        values = _balanced(targets, task)
    criterion.to(targets.device)
    if task.kind == "binary":
        criterion.weight, criterion.pos_weight = values[0], values[1] / values[0]
    elif task.kind == "multilabel":
        criterion.pos_weight = values
    else:
        criterion.weight = values


def share_correction(criterion: nn.Module, labels: Tensor) -> Tensor | float:
    """The factor that corrects a class-weighted mean over this process's share of a batch.

    The engine weights each process by its number of rows; such a mean must be weighted by the sum of its
    class weights. The factor is 1 for other losses, and with one process.

    Args:
        labels: (B,) int64 codes of the share.
    """
    weight = criterion.weight if isinstance(criterion, _MEANS_BY_CLASS) else None
    if world() == 1 or weight is None or labels.is_floating_point():
        return 1.0
    return share_of_weights(weight[labels])


def share_of_weights(weights: Tensor) -> Tensor:
    """This process's share of the weights of a batch, divided by its share of the rows; a scalar.

    Args:
        weights: (B,) of this process's rows.
    """
    own = torch.stack([weights.sum(), weights.new_tensor(len(weights))])
    weighed, rows = (own / average(own)).unbind()
    return weighed / rows


def _balanced(targets: Tensor, task: Task) -> Tensor:
    """(C,) float32: n / (C * n_c) over the n rows and the C classes that occur, as in scikit-learn.

    For several labels per row: the number of rows without the label per row with it. 1 for a class
    without rows.
    """
    if task.kind == "multilabel":
        known = targets.isfinite()
        present = (known & (targets > 0)).sum(dim=0)
        absent = known.sum(dim=0) - present
        return torch.where(present > 0, absent / present.clamp_min(1), 1.0).clamp_min(1 / len(targets))
    counts = torch.bincount(targets[targets >= 0], minlength=len(task.classes))
    classes = (counts > 0).sum()
    return torch.where(counts > 0, counts.sum() / (classes * counts.clamp_min(1)), 1.0)


def _shown(weights: list[float] | str) -> str:
    return weights if isinstance(weights, str) else str(weights).replace(" ", "")
