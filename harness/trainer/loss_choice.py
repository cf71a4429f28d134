"""Which losses fit which targets."""

from __future__ import annotations

from torch import nn

from harness.core.errors import UserError
from harness.core.task import Task
from harness.loss.focal import Focal

_FITS: tuple[tuple[tuple[type[nn.Module], ...], str, tuple[str, ...]], ...] = (
    ((Focal,), "classes or labels", ("multiclass", "binary", "multilabel")),
    ((nn.CrossEntropyLoss, nn.NLLLoss, nn.MultiMarginLoss), "several classes", ("multiclass",)),
    ((nn.BCEWithLogitsLoss, nn.BCELoss), "two classes or labels", ("binary", "multilabel")),
    ((nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss), "numbers", ("regression",)),
)
"""Known losses, what they compare (in words), and the kinds of target that they fit."""

_TARGETS = {
    "multiclass": ("one of several classes", "cross_entropy or focal"),
    "binary": ("one of two classes", "binary_cross_entropy or focal"),
    "multilabel": ("labels of which a row may have several", "binary_cross_entropy or focal"),
    "regression": ("a number", "mean_squared_error, mean_absolute_error or huber"),
}
"""Per kind of target: its description, and the choices of `trainer/loss` that fit it."""


def require_fit(criterion: nn.Module, task: Task) -> None:
    """Checks that a known loss fits the target; a user's own loss is not checked.

    Raises:
        UserError: it does not fit; the training would fail, or learn something else.
    """
    for losses, compared, kinds in _FITS:
        if isinstance(criterion, losses) and task.kind not in kinds:
            target, choices = _TARGETS[task.kind]
            raise UserError(
                f"trainer.loss={type(criterion).__name__} compares {compared}, and the target is {target}",
                f"choose trainer/loss={choices}",
                key="trainer.loss",
            )
