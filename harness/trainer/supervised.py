"""SupervisedTrainer: (data, labels)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor, nn

from harness.arrays import Batch, Loaders
from harness.errors import UserError
from harness.predictor import Predictor
from harness.protocol import Augment
from harness.task import Task
from harness.trainer.universal import UniversalTrainer


class Labelled(NamedTuple):
    """data (B, *shape) float32; labels (B,) int64 codes, or float32 for a regression."""

    data: Tensor
    labels: Tensor


@final
class Regressor(nn.Module):
    """(B, D) -> (B,) float32 in the target's own unit.

    Learns in units of the training targets' mean and standard deviation, which are buffers, so that
    one learning rate serves targets of any scale.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 1)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("std", torch.ones(()))

    def fit_unit(self, targets: Tensor) -> None:
        """Takes the unit from the training targets (n,); 1 where they do not vary."""
        std = targets.std(correction=0)
        self.mean.copy_(targets.mean())
        self.std.copy_(torch.where(std > 0, std, 1.0))

    def standardise(self, values: Tensor) -> Tensor:
        """(B,) in the target's own unit -> (B,) in the unit that is learned in."""
        return (values - self.mean) / self.std

    def forward(self, representation: Tensor) -> Tensor:
        # In float32 also under autocast: bfloat16 tells 152 from 153, but not 152.2 from 152.6.
        standardised: Tensor = self.linear(representation).squeeze(-1).float()
        return standardised * self.std + self.mean


@final
class SupervisedTrainer(UniversalTrainer):
    """Learns labels: several classes, two classes, or a number.

    Args:
        loss: (outputs, targets) -> mean loss. Several classes: (B, C) logits and int64 codes. Two:
            (B,) logits and float32 0 or 1. A number: (B,) and (B,), both standardised by the
            training targets. "auto" is replaced by the corridor: cross-entropy, binary
            cross-entropy, mean squared error.
    """

    needs_labels = True

    def __init__(self, *, loss: nn.Module | Literal["auto"], **universal: Any) -> None:
        super().__init__(**universal)
        if isinstance(loss, str):
            raise ValueError(f"loss must be a node with a _target_ by now, got {loss}")
        self.criterion = loss

    def build_head(self, width: int, task: Task) -> nn.Module:
        if not task.labelled:
            raise UserError(
                "trainer=supervised learns from labels, and the data has no target; name its column with "
                "data.extract.target=COLUMN, or learn without labels by trainer=contrastive."
            )
        if task.kind == "regression":
            return Regressor(width)
        logits = nn.Linear(width, task.outputs)
        return logits if task.kind == "multiclass" else nn.Sequential(logits, nn.Flatten(0))

    def build_training_head(self, width: int, task: Task) -> None:
        return None

    def prepare(self, loaders: Loaders) -> None:
        if isinstance(self.head, Regressor) and loaders.train.targets is not None:
            self.head.fit_unit(loaders.train.targets)
        self._compare = self._comparison()

    def _comparison(self) -> Callable[[Tensor, Tensor], Tensor]:
        """(outputs, targets) -> loss, with both in the form that the criterion takes."""
        criterion, head = self.criterion, self.head
        if isinstance(head, Regressor):
            return lambda outputs, targets: criterion(head.standardise(outputs), head.standardise(targets))
        if self.task.kind == "binary":
            return lambda outputs, targets: criterion(outputs, targets.to(outputs.dtype))
        return criterion

    def unpack(self, batch: Batch, augment: Augment) -> Labelled:
        assert batch.targets is not None  # the corridor refused data without labels
        return Labelled(augment(batch.inputs), batch.targets)

    def loss(self, parts: Labelled) -> Tensor:
        assert self.head is not None
        outputs = self.head(self.model(parts.data))
        if self.autocast is not None:
            outputs = outputs.float()
        return self._compare(outputs, parts.labels)

    def predictor(self) -> Predictor:
        return Predictor(self.model, self.head, self.task, self._compare, self.autocast)
