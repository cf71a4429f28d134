"""The trainer that learns a representation by comparing rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor, nn

from harness.core.arrays import Batch, Loaders
from harness.core.double_precision import at_least_single
from harness.core.errors import UserError
from harness.core.predictor import Predictor
from harness.core.protocol import Augment
from harness.core.task import Task
from harness.runtime.distributed import gathered
from harness.runtime.process_group import rank, world
from harness.trainer.batch_source import BatchSource
from harness.trainer.contrast.online_probe import Probe
from harness.trainer.contrastive_method import Contrast, ContrastiveMethod, MomentumMethod
from harness.trainer.universal import UniversalTrainer


@final
class ContrastiveTrainer(UniversalTrainer):
    """Learns a representation in which rows that belong together are close.

    The loss is computed on the outputs of the method's heads, which are discarded afterwards. The
    model's own representation is kept and evaluated.

    Args:
        method: which rows belong together, the heads that compare them, and the loss.
        probe: whether a linear classifier learns beside the model, without a gradient into it, and reports
            `train/probe_loss` and `train/probe_accuracy` of the labelled rows. `trainer.update.clip_norm`
            includes its gradient.
    """

    learns = "representation"

    def __init__(self, *, method: ContrastiveMethod, probe: bool, **universal: Any) -> None:
        super().__init__(**universal)
        self.method = method
        self._probing = probe
        self.probe: Probe | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table that name the rows to compare with, positives first."""
        return self.method.columns

    def build_head(self, width: int, task: Task) -> None:
        if task.classification:
            return
        actual = "several columns" if task.several else "a number" if task.labelled else "absent"
        if self.method.labels:
            raise UserError(
                f"this trainer/method pulls rows of one class together, and the target is {actual}",
                "use trainer/method=simclr",
            )
        if self._probing:
            raise UserError(
                f"trainer.probe=true learns one class per row, and the target is {actual}",
                "set trainer.probe=false",
                key="trainer.probe",
            )

    def build_companion(self, model: nn.Module, head: nn.Module | None, task: Task) -> nn.Module:
        width: Any = model.width
        self.method.build(model, width)
        if not self._probing:
            return self.method
        self.probe = Probe(width, len(task.classes))
        return nn.ModuleDict({"method": self.method, "probe": self.probe})

    def prepare(self, loaders: Loaders) -> None:
        """Does nothing: nothing depends on the targets."""

    def follow(self) -> None:
        if isinstance(self.method, MomentumMethod):
            self.method.follow(self.model, self.progress_share)

    def batch_source(self, loaders: Loaders) -> BatchSource:
        return BatchSource(loaders.train)

    def unpack(self, batch: Batch, augment: Augment) -> Contrast:
        parts = 1 + len(self.method.columns)  # of the batch: the rows, and those that columns name for them
        count = len(batch.rows) // parts
        if count < 2:
            raise UserError(
                f"contrastive learning compares the rows of a batch with each other, and a batch has {count}",
                "set data.load.batch_size to 2 or more",
            )
        targets = None if batch.targets is None else batch.targets[:count]
        if parts == 1:
            views = [augment(batch.inputs), augment(batch.inputs)]
            rows = batch.rows.repeat(2)
        else:
            views, rows = list(augment(batch.inputs).chunk(parts)), batch.rows
        negatives = views[2] if len(views) > 2 else None
        return Contrast(views[0], views[1], negatives, self._labels(count, targets), rows, targets)

    def _labels(self, count: int, targets: Tensor | None) -> Tensor:
        # Different numbers in each process, all above those of classes.
        own = torch.arange(count, device=self.device) + (rank() << 32)
        if not self.method.labels or targets is None:
            return own
        # An unlabelled row (-1) belongs with its own other view only.
        return torch.where(targets >= 0, targets, own + len(self.task.classes))

    @property
    def why_not_fused(self) -> str | None:
        return self.method.why_not_fused

    def loss(self, parts: Contrast) -> Tensor:
        return self._loss(parts, self.method.compare)

    def loss_of_member(self, parts: Contrast) -> Tensor:
        return self._loss(parts, self.method.compare_members)

    def _loss(self, parts: Contrast, compare: Callable[..., Tensor]) -> Tensor:
        representation = self.model(torch.cat(self.method.views(parts)))
        embedded = self.method.embed(representation, parts)
        with torch.autocast(self.device.type, enabled=False):
            loss = compare(*_whole(parts, [at_least_single(part) for part in embedded]))
        if self.probe is None or parts.targets is None:
            return loss
        probe_loss, accuracy = self.probe(representation[: len(parts.data)], parts.targets)
        labelled = (parts.targets >= 0).sum()  # a batch without any does not count
        self.meters.add("train/probe_loss", probe_loss, labelled)
        self.meters.add("train/probe_accuracy", accuracy, labelled)
        # The probe's gradient without its value: `train/loss` is the method's own.
        with_probe: Tensor = loss + (probe_loss - probe_loss.detach())
        return with_probe

    def predictor(self) -> Predictor:
        return Predictor(self.model, None, self.task, None, self.autocast)


def _whole(parts: Contrast, embedded: list[Tensor]) -> tuple[Any, ...]:
    """Parts and embeddings of the batch that all processes share, in the order of a single process.

    Each embedding is a sequence of views, each with as many rows as there are anchors; each view is
    gathered from all processes. Only the parts that `compare` uses are gathered.
    """
    if world() == 1:
        return parts, *embedded
    count = len(parts.data)
    views = [torch.cat([gathered(view) for view in torch.split(part, count)]) for part in embedded]
    negatives = None if parts.negatives is None else gathered(parts.negatives.flatten(1)[:, :1])
    targets = None if parts.targets is None else gathered(parts.targets)
    rows = torch.cat([gathered(part) for part in torch.split(parts.rows, count)])
    labels = gathered(parts.labels)
    return Contrast(parts.data, parts.positives, negatives, labels, rows, targets), *views
