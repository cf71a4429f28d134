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
    """The hooks of a trainer, in the order in which `UniversalTrainer` calls them.

    A training method is a subclass of `UniversalTrainer` that implements these hooks and nothing else. With
    B rows in a batch, samples of shape `shape` and a representation of width D = `model.width`:

    | hook              | called               | from               | to                              |
    |-------------------|----------------------|--------------------|---------------------------------|
    | `build_head`      | once, before data    | D, task            | module (B, D) -> outputs, None  |
    | `build_companion` | once                 | model, head, task  | module that is discarded        |
    | `prepare`         | once, on the device  | `Loaders`          |                                 |
    | `batch_source`    | once                 | `Loaders`          | `BatchSource`: what an epoch is |
    | `unpack`          | each batch           | `Batch` or a pair  | parts, any named tuple          |
    | `loss`            | each batch           | parts              | scalar with gradient            |
    | `follow`          | each optimizer step  |                    |                                 |
    | `predictor`       | each validation, end |                    | `Predictor`                     |

    Outputs are (B, C) logits of classes or labels, (B,) of one logit of two classes, (B,) or (B, T) numbers
    in the target's own unit. `loss` runs `self.model(inputs)`, (B, *shape) -> (B, D), and the heads; under
    autocast these give half-precision tensors. Random numbers come from torch's global generators, which a
    checkpoint stores. Everything that learns or that a checkpoint must hold is in the model, `head`,
    `criterion` or `companion`: parameters for what learns, buffers for queues and statistics.
    """

    needs_labels: ClassVar[bool] = False
    """Whether it needs a target; data without one is then refused."""

    learns_unlabelled: ClassVar[bool] = False
    """Whether it takes the unlabelled part beside the labelled one."""

    learns: ClassVar[Literal["outputs", "representation"]] = "outputs"
    """What is evaluated afterwards: predictions, or the representation."""

    uses_members: ClassVar[bool] = False
    """Whether it gives each member of a model with `members` a head and a loss of its own."""

    passes_inputs_on: bool = False
    """Whether `unpack` gives the inputs of a batch to the network as they are, but for the augmentation."""

    members: int = 1
    """How many members the representation consists of, (B, members * D); set before `build_head`."""

    criterion: nn.Module | None = None
    """The loss that compares outputs with targets, set by the subclass; its parameters are learned too."""

    @property
    def why_not_fused(self) -> str | None:
        """Why this cannot be one of several trainings that take their steps as one; None: a step is tried.

        That requires a `loss` that depends on nothing but its parts, the tensors of `network` and settings,
        and an `unpack` that draws random numbers through the augmentation only.
        """
        return f"{type(self).__name__} is not vectorised"

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
            UserError: this method cannot learn such a task.
        """

    @abstractmethod
    def build_companion(self, model: nn.Module, head: nn.Module | None, task: Task) -> nn.Module | None:
        """What learns or follows beside the model in training only, or None.

        Projection heads, momentum copies (whose parameters require no gradient), queues as buffers.
        """

    @abstractmethod
    def prepare(self, loaders: Loaders) -> None:
        """Called once before training, with the network on its device: what depends on the training rows."""

    @abstractmethod
    def batch_source(self, loaders: Loaders) -> BatchSource:
        """The loader whose pass is an epoch, and one that gives batches beside it.

        Raises:
            UserError: the split leaves no rows for one of them.
        """

    @abstractmethod
    def unpack(self, batch: Any, augment: Augment) -> Any:
        """The parts that `loss` needs, augmented; of a pair of batches where two loaders give one each."""

    @abstractmethod
    def loss(self, parts: Any) -> Tensor:
        """The scalar loss of what `unpack` gave, through `self.model` and the heads; the mean over rows."""

    def loss_of_member(self, parts: Any) -> Tensor:
        """`loss` in operations that torch can vectorise over trainings: equal but for the last digits."""
        return self.loss(parts)

    def follow(self) -> None:  # noqa: B027  # most methods have nothing that follows
        """Called after each optimizer step: moves what follows the weights, such as a momentum encoder."""

    @abstractmethod
    def predictor(self) -> Predictor:
        """The current network: inputs -> representation and outputs."""
