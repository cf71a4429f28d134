"""The trainer that learns from labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor, nn

from harness.core.arrays import Batch, Loaders
from harness.core.double_precision import at_least_single
from harness.core.errors import UserError
from harness.core.predictor import Predictor
from harness.core.protocol import Augment
from harness.core.task import Scale, Task
from harness.runtime.process_group import world
from harness.trainer.batch_source import BatchSource
from harness.trainer.class_weights import check_weights, share_correction, share_of_weights, weigh
from harness.trainer.loss_choice import require_fit
from harness.trainer.member_heads import MemberHeads, per_member
from harness.trainer.mix import Mix, Unmixed, check_codes
from harness.trainer.stored_precision import StoredPrecision
from harness.trainer.target_scale import scale_of
from harness.trainer.universal import UniversalTrainer

Unpack = Callable[[Batch], tuple[Tensor, ...]]


class Labelled(NamedTuple):
    """data (B, *shape) float32; labels (B,) int64 codes or float64 numbers, (B, T) of several.

    If rows were mixed, `others` are the labels of the row that each was mixed with, and `share` is the
    weight of the row itself; else None and 1. `weights` (B,) float32 of the rows; None: equal weights.
    """

    data: Tensor
    labels: Tensor
    others: Tensor | None = None
    share: float = 1.0
    weights: Tensor | None = None


@final
class Regressor(StoredPrecision):
    """(B, D) -> (B,) in the target's own unit and precision, or (B, T) of several targets.

    Learns standardised targets, by each target's mean and standard deviation over the training rows
    (buffers). So one learning rate fits targets of any scale, and several targets have equal weight.
    The unit is changed in the precision of the targets, float64: of a target far from zero, float32 would
    lose the differences. Weights that are loaded bring the precision that they were stored with.

    With a `scale`, what is standardised are the targets on that scale. In training mode the outputs are then
    on the scale as well, since its inverse has no gradient everywhere; in evaluation mode they have the
    target's unit.

    Args:
        width: D, of the representation.
        targets: T, how many numbers are predicted.
        head: (B, D) -> the standardised numbers, in any shape that ends like them; None: a linear layer.
        scale: on which the targets are learned.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, width: int, targets: int = 1, head: nn.Module | None = None, scale: Scale = "none"
    ) -> None:
        super().__init__()
        shape = () if targets == 1 else (targets,)
        self._reshapes = head is None
        self.linear = nn.Linear(width, targets) if head is None else head
        self.scale = scale_of(scale, targets)
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("std", torch.ones(shape))

    def fit_unit(self, targets: Tensor) -> None:
        """Sets mean and deviation of the training targets, (n,) or (n, T), in their precision.

        The deviation is 1 for a constant target.
        """
        if self.scale is not None:
            self.scale.fit_targets(targets)
            targets = self.scale(targets)
        std = targets.std(dim=0, correction=0)
        self.mean = targets.mean(dim=0)
        self.std = torch.where(std > 0, std, 1.0)

    def standardise(self, values: Tensor) -> Tensor:
        """(B,) or (B, T) in the targets' own units -> the same standardised, float32."""
        values = values.to(self.mean.dtype)
        return self.standardise_scaled(values if self.scale is None else self.scale(values))

    def standardise_scaled(self, values: Tensor) -> Tensor:
        """(B,) or (B, T) on the scale, such as the outputs in training mode -> the same standardised,
        float32."""
        return ((values.to(self.mean.dtype) - self.mean) / self.std).float()

    @property
    def unit_std(self) -> Tensor:
        """The standard deviation of the training targets in their own unit; with a scale, near their mean."""
        if self.scale is None:
            return self.std
        low, high = self.scale.inverse(self.mean - self.std), self.scale.inverse(self.mean + self.std)
        return (high - low) / 2

    def forward(self, representation: Tensor) -> Tensor:
        # In float32 also under autocast: bfloat16 has 8 bits of mantissa, and cannot represent 152.2.
        standardised: Tensor = self.linear(representation).float()
        if self._reshapes:
            standardised = standardised.reshape(-1, *self.mean.shape)
        scaled = standardised.to(self.mean.dtype) * self.std + self.mean
        return scaled if self.scale is None or self.training else self.scale.inverse(scaled)


def mean_loss(loss: Tensor, weights: Tensor | None) -> Tensor:
    """A loss that is a scalar, (B,) of each row or (B, M) of each row and member, as one scalar.

    Args:
        weights: (B,) of the rows; None: equal weights.

    Raises:
        UserError: there are weights, and the loss is a mean already.
    """
    if weights is None:
        return loss if loss.ndim == 0 else loss.mean()
    if loss.ndim == 0:
        raise UserError(
            "trainer.unpack gives weights of rows, and the loss gives one number for all rows",
            "use a loss of each row, for torch's losses by +trainer.loss.reduction=none",
            key="trainer.loss",
        )
    rows = loss if loss.ndim == 1 else loss.flatten(1).mean(dim=1)
    return (rows * weights).sum() / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)


@final
class SupervisedTrainer(UniversalTrainer):
    """Learns labels: several classes, two classes, several labels per row, or numbers.

    Args:
        loss: (outputs, targets) -> scalar, (B,) of each row, or (B, M) of each row and member of an ensemble;
            the trainer takes the mean over members, and then over rows by their weights. Several classes:
            (B, C) logits and int64 codes. Two classes: (B,) logits and float32 0 or 1. Several labels per
            row: (B, C) logits and (B, C) float32 0 or 1. One number: (B,) and (B,); several: (B, T) and
            (B, T), both standardised by the training targets. "auto" is replaced before: cross-entropy,
            binary cross-entropy (for labels, the mean over rows and labels), mean squared error.
        class_weights: the weight of a row of each class, in the order of the classes; "balanced": weights
            with which all classes of the training rows have equal weight; None: equal weights of rows.
        mix: blends the rows of a batch, and their targets.
        unpack: `Batch` -> (inputs (B, *shape), targets (B, ...)), or these and weights (B,) of the rows,
            which need a loss of each row. For training rows only; augmentation and mixing come after it.
            None: the batch's inputs and targets.
        head: (width of the representation, number of outputs) -> module on the representation. In training
            its outputs may have a form for the loss only, such as (B, M, C) of M members; in evaluation
            mode they are as above. Numbers are learned in standardised units. None: a linear layer.

    Raises:
        ValueError: a weight is not above 0.
    """

    needs_labels = True
    uses_members = True
    criterion: nn.Module

    def __init__(
        self,
        *,
        loss: nn.Module | Literal["auto"],
        class_weights: list[float] | Literal["balanced"] | None,
        mix: Mix,
        unpack: Unpack | None = None,  # these two are no keys of the yaml, so that older runs can be resumed
        head: Callable[[int, int], nn.Module] | None = None,
        **universal: Any,
    ) -> None:
        super().__init__(**universal)
        if isinstance(loss, str):
            raise ValueError(f"loss must be a node with a _target_ by now, got {loss}")
        if isinstance(class_weights, list) and not all(weight > 0 for weight in class_weights):
            raise ValueError(f"class_weights must be above 0, got {class_weights}")
        self.criterion = loss
        self.class_weights = class_weights
        self.mix = mix
        self._own_unpack, self._own_head = unpack, head

    @property
    def why_not_fused(self) -> str | None:
        if not isinstance(self.mix, Unmixed):
            return "trainer.mix blends the rows of a batch"
        return None if self._own_unpack is None else "trainer.unpack is set"

    @property
    def passes_inputs_on(self) -> bool:  # type: ignore[override]
        return self._own_unpack is None and isinstance(self.mix, Unmixed)

    def build_head(self, width: int, task: Task) -> nn.Module:
        if not task.labelled:
            raise UserError(
                "trainer=supervised learns from labels, and the data has no target",
                "name its column with "
                "data.extract.target=COLUMN, or learn without labels by trainer=contrastive",
            )
        require_fit(self.criterion, task)
        check_weights(self.class_weights, self.criterion, task)
        own = None if self._own_head is None else self._own_head(width, task.outputs)
        if own is None and self.members > 1:
            own = MemberHeads(width, self.members, task)
        if task.kind == "regression":
            return Regressor(width, task.outputs, own, task.scale)
        if own is not None:
            return own
        logits = nn.Linear(width, task.outputs)
        return nn.Sequential(logits, nn.Flatten(0)) if task.kind == "binary" else logits

    def build_companion(self, model: nn.Module, head: nn.Module | None, task: Task) -> None:
        return None

    def prepare(self, loaders: Loaders) -> None:
        self.mix.check(loaders.shape)
        check_codes(self.mix, loaders.codes)
        targets = loaders.train.targets
        if isinstance(self.head, Regressor) and targets is not None:
            self.head.fit_unit(targets)
        if targets is not None:
            weigh(self.class_weights, self.criterion, self.task, targets)
        each, compare = self._comparison(training=True), self._comparison(training=False)
        if self.members > 1 and self._own_head is None:
            each = per_member(each, 1 if self.task.outputs == 1 and not self.task.several else 2)
        self._each = each
        self._compare = lambda outputs, targets: mean_loss(compare(outputs, targets), None)

    def _comparison(self, *, training: bool) -> Callable[[Tensor, Tensor], Tensor]:
        """(outputs, targets) -> loss; converts both to the form that the criterion takes.

        Args:
            training: whether the outputs are those of training mode.
        """
        criterion, head = self.criterion, self.head
        if isinstance(head, Regressor):
            unit = head.standardise_scaled if training else head.standardise
            return lambda outputs, targets: criterion(unit(outputs), head.standardise(targets))
        if self.task.kind == "binary":
            return lambda outputs, targets: criterion(outputs, targets.to(outputs.dtype))
        return criterion

    def batch_source(self, loaders: Loaders) -> BatchSource:
        return BatchSource(loaders.train)

    def unpack(self, batch: Batch, augment: Augment) -> Labelled:
        inputs, targets, weights = self._unpacked(batch)
        data, partner, share = self.mix(augment(inputs))
        if partner is None:
            return Labelled(data, targets, weights=weights)
        others = targets[partner]
        if weights is not None:
            weights = torch.lerp(weights[partner], weights, share)
        if self.task.kind == "regression":
            return Labelled(data, torch.lerp(others, targets, share), weights=weights)
        return Labelled(data, targets, others, share, weights)

    def _unpacked(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        """Inputs, targets and weights of a batch."""
        if self._own_unpack is None:
            assert batch.targets is not None  # data without labels was refused
            return batch.inputs, batch.targets, None
        parts = tuple(self._own_unpack(batch))
        if len(parts) == 2:
            return parts[0], parts[1], None
        if len(parts) == 3:
            return parts
        raise UserError(
            f"trainer.unpack must return (inputs, targets) or (inputs, targets, weights), got {len(parts)} "
            "parts",
            "correct its return value",
            key="trainer.unpack",
        )

    def loss(self, parts: Labelled) -> Tensor:
        assert self.head is not None
        outputs = self.head(self.model(parts.data))
        if self.autocast is not None:
            outputs = at_least_single(outputs)
        own = self._learned(outputs, parts.labels, parts.weights)
        if parts.others is None:
            return own
        return torch.lerp(self._learned(outputs, parts.others, parts.weights), own, parts.share)

    def _learned(self, outputs: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        """The loss of this process's rows, so that the mean over the processes is that of the batch."""
        loss = mean_loss(self._each(outputs, labels), weights)
        if world() == 1:
            return loss
        return loss * (
            share_correction(self.criterion, labels) if weights is None else share_of_weights(weights)
        )

    def predictor(self) -> Predictor:
        return Predictor(self.model, self.head, self.task, self._compare, self.autocast)
