"""Hooks that each training method implements; `UniversalTrainer` does the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from harness.core.arrays import Loaders
from harness.core.predictor import Predictor
from harness.core.protocol import Augment
from harness.core.task import Task
from harness.trainer.batch_source import BatchSource
from harness.trainer.step_meters import Meters


class TrainingMethod(ABC):
    """The hooks of a trainer, in the order in which `UniversalTrainer` calls them."""

    needs_labels: ClassVar[bool] = False
    """Whether data without a target is useless to every training of this class."""

    learns_unlabelled: ClassVar[bool] = False
    """Whether it takes the unlabelled part beside the labelled one."""

    learns: ClassVar[Literal["outputs", "representation"]] = "outputs"
    """What is worth evaluating afterwards: predictions, or the representation itself."""

    criterion: nn.Module | None = None
    """The loss that compares outputs with targets, set by the subclass; its parameters are learned too."""

    # What the engine sets before any of the hooks below `build_companion` is called.
    task: Task
    model: nn.Module
    head: nn.Module | None
    companion: nn.Module | None
    network: nn.ModuleDict
    meters: Meters

    @abstractmethod
    def build_head(self, width: int, task: Task) -> nn.Module | None:
        """The part above the representation that prediction needs: (B, width) -> outputs, or None.

        Raises:
            UserError: this way of learning has no use for such a task.
        """

    @abstractmethod
    def build_companion(self, model: nn.Module, head: nn.Module | None, task: Task) -> nn.Module | None:
        """What else learns, or follows, beside the model, and is thrown away afterwards.

        Projection heads, momentum copies (whose parameters ask for no gradient), queues as buffers.
        """

    @abstractmethod
    def prepare(self, loaders: Loaders) -> None:
        """Asked once before training, with the network on its device: what is read off the targets."""

    @abstractmethod
    def batch_source(self, loaders: Loaders) -> BatchSource:
        """What an epoch passes over."""

    @abstractmethod
    def unpack(self, batch: Any, augment: Augment) -> Any:
        """The parts that the loss is about, augmented, of what `feed` gives for a step."""

    @abstractmethod
    def loss(self, parts: Any) -> Tensor:
        """The scalar loss of what `unpack` gave, through `self.model` and the heads."""

    def follow(self) -> None:  # noqa: B027  # most methods have nothing that follows
        """Called after each optimizer step: moves what follows the weights, such as a momentum encoder."""

    @abstractmethod
    def predictor(self) -> Predictor:
        """The network as it stands: inputs -> representation and outputs."""
