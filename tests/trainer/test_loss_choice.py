"""A loss is of the kind that the target is."""

from __future__ import annotations

import pytest
from torch import nn

from harness.core.errors import UserError
from harness.core.task import Task
from harness.loss.binary import BinaryCrossEntropy
from harness.loss.focal import Focal
from harness.trainer.loss_choice import require_fit

TASKS = {
    "multiclass": Task("multiclass", ("a", "b", "c")),
    "binary": Task("binary", ("no", "yes")),
    "multilabel": Task("multilabel", ("x", "y")),
    "regression": Task("regression"),
}
LOSSES: dict[nn.Module, tuple[str, ...]] = {
    nn.CrossEntropyLoss(): ("multiclass",),
    BinaryCrossEntropy(label_smoothing=0.0): ("binary", "multilabel"),
    Focal(gamma=2.0): ("multiclass", "binary", "multilabel"),
    nn.MSELoss(): ("regression",),
    nn.HuberLoss(): ("regression",),
    nn.L1Loss(): ("regression",),
    nn.Identity(): tuple(TASKS),  # a user's own
}


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("kind", TASKS)
def test_a_known_loss_is_accepted_for_its_kinds_of_target_only(loss: nn.Module, kind: str) -> None:
    if kind in LOSSES[loss]:
        require_fit(loss, TASKS[kind])
    else:
        with pytest.raises(UserError, match=rf"^trainer\.loss={type(loss).__name__} compares "):
            require_fit(loss, TASKS[kind])


@pytest.mark.parametrize(
    ("loss", "kind", "words"),
    [
        (
            nn.MSELoss(),
            "multiclass",
            r"^trainer\.loss=MSELoss compares numbers, and the target is one of several classes; choose "
            r"trainer/loss=cross_entropy or focal\.$",
        ),
        (
            nn.CrossEntropyLoss(),
            "binary",
            r"^trainer\.loss=CrossEntropyLoss compares several classes, and the "
            r"target is one of two classes; "
            r"choose trainer/loss=binary_cross_entropy or focal\.$",
        ),
        (
            Focal(gamma=2.0),
            "regression",
            r"^trainer\.loss=Focal compares classes or labels, and the target is a number; choose "
            r"trainer/loss=mean_squared_error, mean_absolute_error or huber\.$",
        ),
    ],
)
def test_another_is_refused_with_those_that_fit(loss: nn.Module, kind: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        require_fit(loss, TASKS[kind])
