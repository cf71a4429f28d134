"""ContrastiveTrainer: (data, positives, negatives, [labels])."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from harness.arrays import Batch, Loaders
from harness.errors import UserError
from harness.predictor import Predictor
from harness.protocol import Augment
from harness.task import Task
from harness.trainer.method import ContrastiveMethod
from harness.trainer.universal import UniversalTrainer


class Contrast(NamedTuple):
    """data       (B, *shape) float32, the anchors
    positives  (B, *shape), row i belongs with anchor i
    negatives  (M, *shape) that belong with no anchor; None: the other rows of the batch serve
    labels     (B,) int64; equal labels belong together
    """

    data: Tensor
    positives: Tensor
    negatives: Tensor | None
    labels: Tensor


@final
class ContrastiveTrainer(UniversalTrainer):
    """Learns a representation in which what belongs together is close.

    The loss sees a projection of the representation (arXiv 2002.05709, section 4.2), which is thrown
    away afterwards; what is kept and evaluated is the model's own representation.

    Args:
        method: what belongs together, and the loss over it.
        projection_hidden: width of the projection head's hidden layer.
        projection_width: width of the embedding that the loss compares.
    """

    learns = "representation"

    def __init__(
        self, *, method: ContrastiveMethod, projection_hidden: int, projection_width: int, **universal: Any
    ) -> None:
        super().__init__(**universal)
        for name, width in (("projection_hidden", projection_hidden), ("projection_width", projection_width)):
            if width < 1:
                raise ValueError(f"{name} must be at least 1, got {width}")
        self.method = method
        self.criterion = method.loss
        self._projection = (projection_hidden, projection_width)

    def build_head(self, width: int, task: Task) -> None:
        if self.method.labels and not task.classification:
            found = "several columns" if task.several else "a number" if task.labelled else "absent"
            raise UserError(
                f"this trainer/method pulls rows of one class together, and the target is {found}; "
                "use trainer/method=simclr."
            )

    def build_training_head(self, width: int, task: Task) -> nn.Module:
        hidden, out = self._projection
        return nn.Sequential(
            nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, out)
        )

    def prepare(self, loaders: Loaders) -> None:
        """Nothing is read off the targets."""

    def unpack(self, batch: Batch, augment: Augment) -> Contrast:
        own = torch.arange(len(batch.rows), device=batch.inputs.device)
        labels = own
        if self.method.labels and batch.targets is not None:
            # An unlabelled row (-1) belongs with its own other view only.
            labels = torch.where(batch.targets >= 0, batch.targets, own + len(self.task.classes))
        return Contrast(augment(batch.inputs), augment(batch.inputs), None, labels)

    def loss(self, parts: Contrast) -> Tensor:
        assert self.training_head is not None
        views = [parts.data, parts.positives] + ([] if parts.negatives is None else [parts.negatives])
        embeddings = self.training_head(self.model(torch.cat(views)))
        labels = parts.labels.repeat(2)
        if parts.negatives is not None:
            alone = torch.arange(len(parts.negatives), device=labels.device) + labels.max() + 1
            labels = torch.cat([labels, alone])
        # Similarities are divided by a temperature of a tenth, which bfloat16 has not the digits for.
        with torch.autocast(self.device.type, enabled=False):
            return self.method(embeddings.float(), labels)

    def predictor(self) -> Predictor:
        return Predictor(self.model, None, self.task, None, self.autocast)
