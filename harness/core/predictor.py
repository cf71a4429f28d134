"""A trained network as a function from inputs to predictions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from harness.core.arrays import Loader
from harness.core.double_precision import at_least_single
from harness.core.task import Task
from harness.core.training_mode import modules_of, set_modes, set_training


class Prediction(NamedTuple):
    """The predictions for one batch, or for all batches of a part concatenated.

    representation  (B, D) float32 of the frozen model
    outputs         (B, C) logits, (B,) one logit (binary), (B,) a number in the target's unit
                    (regression), float64; None where the trainer learned no outputs
    """

    representation: Tensor
    outputs: Tensor | None


def probabilities(outputs: Tensor) -> Tensor:
    """(B, C) logits, or (B,) one logit of class 1, -> (B, C) that sum to one, in the order of the classes."""
    if outputs.ndim == 1:
        second = outputs.sigmoid()
        return torch.stack([1 - second, second], dim=1)
    return outputs.softmax(dim=1)


@dataclass(frozen=True)
class Predictor:
    """Inputs in, `Prediction` out: in evaluation mode, without gradients, heads included.

    `head` maps a representation to outputs and may be None. `loss` maps (outputs, targets) to
    the mean loss and may be None. `temperature` divides the logits of classes and labels, see
    `harness.evaluate.temperature`.
    """

    model: nn.Module
    head: nn.Module | None
    task: Task
    loss: Callable[[Tensor, Tensor], Tensor] | None = None
    autocast: torch.dtype | None = None
    temperature: float = 1.0

    @torch.inference_mode()
    def __call__(self, inputs: Tensor) -> Prediction:
        """inputs: (B, *shape) on the model's device."""
        parts = [part for part in (self.model, self.head) if part is not None]
        modules = [modules_of(part) for part in parts]
        learning = [module for own in modules for module in own if module.training]
        for part, own in zip(parts, modules, strict=True) if learning else ():
            set_training(part, False, own)
        with self._precision(inputs.device.type):
            representation = self.model(inputs)
            outputs = None if self.head is None else self.head(representation)
        set_modes(learning, True)  # one by one: a part frozen in evaluation mode stays so
        if outputs is None:
            return Prediction(representation.float(), None)
        outputs = at_least_single(outputs)
        return Prediction(
            representation.float(), outputs if self.temperature == 1 else outputs / self.temperature
        )

    def _precision(self, device: str) -> AbstractContextManager[Any]:
        """The precision of the forward pass, whatever the caller's is."""
        if self.autocast is None and not torch.is_autocast_enabled(device):
            return nullcontext()
        return torch.autocast(device, dtype=self.autocast, enabled=self.autocast is not None)

    def gather(self, loader: Loader) -> Prediction:
        """The predictions of every row of a part, in the order of `loader.rows`, on the device."""
        parts = [self(batch.inputs) for batch in loader.ordered()]
        outputs = [part.outputs for part in parts if part.outputs is not None]
        return Prediction(
            torch.cat([part.representation for part in parts]),
            torch.cat(outputs) if outputs else None,
        )
