"""A trainer: defines the loss of a batch; harness does the rest."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from harness.core.arrays import Batch, Loaders
from harness.core.errors import UserError
from harness.core.predictor import Predictor
from harness.core.protocol import Augment
from harness.core.task import Task
from harness.trainer.batch_source import BatchSource
from harness.trainer.universal import UniversalTrainer


class Pair(NamedTuple):
    """data (B, *shape) float32, the same with noise, and labels (B,) int64."""

    data: Tensor
    noisy: Tensor
    labels: Tensor


class NoisyTrainer(UniversalTrainer):
    """Learns classes from each row twice: as it is, and with Gaussian noise on its inputs.

    The loss is the mean of the two cross-entropies. Noise on the inputs acts like a penalty on the slope of
    the outputs (Bishop, Neural Computation 7(1), 1995).

    Args:
        noise: standard deviation of the noise; inputs are standardised by the transform.
        universal: as every trainer takes them.

    Raises:
        ValueError: a negative noise.
    """

    needs_labels = True

    def __init__(self, *, noise: float, **universal: Any) -> None:
        super().__init__(**universal)
        if noise < 0:
            raise ValueError(f"noise must not be negative, got {noise}")
        self.noise = noise

    def build_head(self, width: int, task: Task) -> nn.Module:
        """One logit per class; of two classes, one logit in all."""
        if task.kind not in ("binary", "multiclass"):
            raise UserError(
                f"NoisyTrainer learns classes, and the target is {task.kind}; choose trainer=supervised."
            )
        logits = nn.Linear(width, task.outputs)
        if task.kind == "multiclass":
            self.criterion = nn.CrossEntropyLoss()
            return logits
        self.criterion = nn.BCEWithLogitsLoss()
        return nn.Sequential(logits, nn.Flatten(0))

    def build_companion(self, model: nn.Module, head: nn.Module | None, task: Task) -> None:
        """Nothing learns beside the model."""

    def prepare(self, loaders: Loaders) -> None:
        """Nothing depends on the training rows."""

    def batch_source(self, loaders: Loaders) -> BatchSource:
        """Every training row once per epoch."""
        return BatchSource(loaders.train)

    def unpack(self, batch: Batch, augment: Augment) -> Pair:
        """The noise comes from torch's global generator, which a checkpoint stores."""
        assert batch.targets is not None  # `needs_labels`: others were refused
        data = augment(batch.inputs)
        return Pair(data, data + self.noise * torch.randn_like(data), batch.targets)

    def loss(self, parts: Pair) -> Tensor:
        """The mean over both copies of the rows."""
        return (self._of(parts.data, parts.labels) + self._of(parts.noisy, parts.labels)) / 2

    def predictor(self) -> Predictor:
        """The model and its head."""
        return Predictor(self.model, self.head, self.task, self._compare, self.autocast)

    def _of(self, data: Tensor, labels: Tensor) -> Tensor:
        assert self.head is not None
        return self._compare(self.head(self.model(data)).float(), labels)

    def _compare(self, outputs: Tensor, targets: Tensor) -> Tensor:
        assert self.criterion is not None
        loss: Tensor = self.criterion(
            outputs, targets.to(outputs.dtype) if self.task.kind == "binary" else targets
        )
        return loss
