"""The interface of contrastive methods: which rows belong together, heads and loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn


class Contrast(NamedTuple):
    """data       (B, *shape) float32, the anchors
    positives  (B, *shape), row i belongs with anchor i
    negatives  (M, *shape) that belong with no anchor; None: the other rows of the batch serve
    labels     (B,) int64; equal labels belong together
    rows       (V,) int64, the table's row of each view: data, then positives, then negatives
    targets    (B,) int64 classes of the anchors, -1 for unlabelled, or None; what a probe learns
    """

    data: Tensor
    positives: Tensor
    negatives: Tensor | None
    labels: Tensor
    rows: Tensor
    targets: Tensor | None


class ContrastiveMethod(nn.Module, ABC):
    """A loss of the parts of a batch, and the heads that it needs on the representation.

    A method is itself the module that is trained beside the model and discarded afterwards: `build` adds
    projection heads, momentum copies and queues. The trainer passes a batch through it in two steps: `embed`
    under autocast, `compare` in float32, because similarities are divided by a temperature of about 0.1, for
    which bfloat16 is not precise enough.
    """

    labels: bool = False
    """Whether rows of one class belong together, so that the method is useless without classes."""

    columns: tuple[str, ...] = ()
    """The columns that name each row's positive and negative; without, positives are augmented views."""

    vectorised: bool = False
    """Whether `embed` and `compare_members` depend on nothing but their arguments, the tensors of modules and
    settings, and decide nothing in Python by the value of a tensor: several trainings can then be one."""

    @property
    def why_not_fused(self) -> str | None:
        """Why trainings by this method cannot take their steps as one; None: a step is tried."""
        return None if self.vectorised else f"the method {type(self).__name__} is not vectorised"

    @abstractmethod
    def build(self, model: nn.Module, width: int) -> None:
        """Makes new heads for a model whose representation is (B, width)."""

    def views(self, parts: Contrast) -> list[Tensor]:
        """Returns the inputs of the model, data first."""
        return [parts.data, parts.positives] + ([] if parts.negatives is None else [parts.negatives])

    @abstractmethod
    def embed(self, representation: Tensor, parts: Contrast) -> tuple[Tensor, ...]:
        """Returns the embeddings that the loss compares.

        Args:
            representation: (V, width), of all `views` in one pass.
        """

    @abstractmethod
    def compare(self, parts: Contrast, *embedded: Tensor) -> Tensor:
        """Returns the scalar loss of the outputs of `embed`, in float32."""

    def compare_members(self, parts: Contrast, *embedded: Tensor) -> Tensor:
        """As `compare`, in operations that torch can vectorise over trainings."""
        return self.compare(parts, *embedded)


class MomentumMethod(ContrastiveMethod):
    """A method with a copy of the model that follows it."""

    @abstractmethod
    def follow(self, model: nn.Module, share: float) -> None:
        """Updates the copy after each optimizer step.

        Args:
            share: of the training's steps that are done, in [0, 1).
        """
