"""The trainer that learns from a few labelled rows and many unlabelled ones."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from harness.core.arrays import Batch, Loaders
from harness.core.errors import UserError
from harness.core.predictor import Predictor
from harness.core.protocol import Augment
from harness.core.task import Task
from harness.runtime.distributed import gathered
from harness.trainer.batch_source import BatchSource
from harness.trainer.consistency.consistency_method import ConsistencyMethod, weak
from harness.trainer.contrast.momentum_encoder import Momentum
from harness.trainer.universal import UniversalTrainer


class LabelledPart(NamedTuple):
    """data (B, *shape) float32; labels (B,) int64 codes."""

    data: Tensor
    labels: Tensor


class UnlabelledPart(NamedTuple):
    """views: augmentations of the same rows, each (M, *shape) float32; rows (M,) int64, of the table."""

    views: tuple[Tensor, ...]
    rows: Tensor


class TwoParts(NamedTuple):
    """The input of one step."""

    labelled: LabelledPart
    unlabelled: UnlabelledPart


@final
class Companion(nn.Module):
    """The state of the method, and the teacher if it has one."""

    def __init__(self, method: ConsistencyMethod, teacher: Momentum | None) -> None:
        super().__init__()
        self.method = method
        self.teacher = teacher


@final
class SemiSupervisedTrainer(UniversalTrainer):
    """Learns classes from labelled rows and from the consistency of its predictions for the others.

    The loss is the cross-entropy of the labelled rows, weakly augmented, plus the method's term; both
    parts pass through the network in one batch. `train/loss` is the sum of `train/loss_labelled` and
    `train/loss_unlabelled`; `train/mask_rate` is the share of unlabelled rows that a method with a
    threshold used.

    An epoch is one pass over the part with more batches, usually the unlabelled one; the other part is
    repeated. Validation and test rows keep their labels, so the monitored score is measured on more labels
    than the training has, which helps `trainer.monitor` and early stopping.

    Args:
        method: the loss of the unlabelled rows.
    """

    needs_labels = True
    learns_unlabelled = True
    companion: Companion

    def __init__(self, *, method: ConsistencyMethod, **universal: Any) -> None:
        super().__init__(**universal)
        self.method = method
        self.criterion: nn.Module = nn.CrossEntropyLoss()

    def build_head(self, width: int, task: Task) -> nn.Module:
        """One logit per class; for two classes one logit of the second, as in supervised learning."""
        if not task.classification:
            kinds = {"none": "absent", "multilabel": "several labels of each row"}
            actual = kinds.get(task.kind, "a number")
            raise UserError(
                f"trainer=semi_supervised learns one class of each row, and the target is {actual}",
                "name a column of classes with data.extract.target=COLUMN, or use trainer=supervised or "
                "contrastive",
            )
        logits = nn.Linear(width, task.outputs)
        return nn.Sequential(logits, nn.Flatten(0)) if task.kind == "binary" else logits

    def build_companion(self, model: nn.Module, head: nn.Module | None, task: Task) -> Companion:
        if self.method.decay is None or head is None:
            return Companion(self.method, None)
        return Companion(self.method, Momentum(model, head))

    def prepare(self, loaders: Loaders) -> None:
        assert loaders.unlabelled is not None  # `batch_source` refused data without
        rows = loaders.unlabelled.rows.sort().values
        self.method.begin(len(self.task.classes), rows.to(self.device))

    def batch_source(self, loaders: Loaders) -> BatchSource:
        if loaders.unlabelled is None:
            raise UserError(
                "trainer=semi_supervised learns from unlabelled rows as well, and this split leaves none",
                "hide labels with split.labelled=40 or another number, give rows without a target, or use "
                "trainer=supervised",
            )
        if not len(loaders.train):
            raise UserError(
                "trainer=semi_supervised learns from labelled rows as well, and this split leaves none to "
                "train on",
                "choose a split that does, or learn without labels by trainer=contrastive",
            )
        self._labelled_lead = len(loaders.train) > len(loaders.unlabelled)
        if self._labelled_lead:
            return BatchSource(loaders.train, beside=loaders.unlabelled)
        return BatchSource(loaders.unlabelled, beside=loaders.train)

    def unpack(self, batches: tuple[Batch, Batch], augment: Augment) -> TwoParts:
        labelled, unlabelled = batches if self._labelled_lead else batches[::-1]
        assert labelled.targets is not None  # data without labels was refused
        return TwoParts(
            LabelledPart(weak(augment, labelled.inputs), labelled.targets),
            UnlabelledPart(self.method.views(unlabelled.inputs, augment), unlabelled.rows),
        )

    def loss(self, parts: TwoParts) -> Tensor:
        (data, labels), (views, rows) = parts
        teacher = self.companion.teacher
        own, *others = self._outputs(data, *(views if teacher is None else views[:-1]))
        if teacher is not None:
            others.append(gathered(teacher(views[-1])))
        term = self.method([_logits(outputs) for outputs in others], gathered(rows), self.progress_share)
        labelled = self._compare(own, gathered(labels))
        self.meters.add("train/loss_labelled", labelled)
        self.meters.add("train/loss_unlabelled", term.loss)
        if term.rate is not None:
            self.meters.add("train/mask_rate", term.rate)
        loss: Tensor = labelled + term.loss
        return loss

    def predictor(self) -> Predictor:
        return Predictor(self.model, self.head, self.task, self._compare, self.autocast)

    def _outputs(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The outputs of several batches, which pass through the network as one batch."""
        assert self.head is not None
        outputs = self.head(self.model(torch.cat(inputs)))
        parts = torch.split(outputs, [len(batch) for batch in inputs])
        return tuple(gathered(part) for part in parts)

    def _compare(self, outputs: Tensor, targets: Tensor) -> Tensor:
        loss: Tensor = self.criterion(_logits(outputs), targets)
        return loss

    def follow(self) -> None:
        """Updates the teacher; its decay is lower in the first steps, like that of `trainer.update.ema`."""
        teacher, decay = self.companion.teacher, self.method.decay
        if teacher is not None and decay is not None and self.head is not None:
            teacher.follow(min(decay, (1 + self.step) / (10 + self.step)), self.model, self.head)


def _logits(outputs: Tensor) -> Tensor:
    """(B, C) float32 logits; one logit z of the second of two classes becomes (0, z), which is equivalent."""
    outputs = outputs.float()
    return outputs if outputs.ndim == 2 else torch.stack([torch.zeros_like(outputs), outputs], dim=1)
