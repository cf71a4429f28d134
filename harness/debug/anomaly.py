"""debug=anomaly: finds the module or gradient with the first number that is not finite."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from harness.core.errors import Diverged
from harness.prepare.experiment import Experiment
from harness.record.fold_record import FoldRecord
from harness.trainer.universal import UniversalTrainer


@final
class Anomaly:
    """Checks the output of every module and, by torch's anomaly mode, every gradient.

    Each check waits for the device, so that a run takes several times as long; its scores stay the same.
    """

    folds = None
    says = "debug=anomaly: every module's output and every gradient is checked, several times slower"

    @contextmanager
    def __call__(
        self, experiment: Experiment, fold_record: FoldRecord, stop: Callable[[], bool]
    ) -> Iterator[Experiment | None]:
        def look(module: nn.Module, given: Any, made: Any) -> None:
            if not finite(made):
                network = _under_way(experiment).network
                names = {part: name for name, part in network.named_modules()}
                raise Diverged(_message(module, names.get(module, ""), given, _step(experiment)))

        hook = register_module_forward_hook(look)
        try:
            with torch.autograd.set_detect_anomaly(True):
                yield experiment
        except RuntimeError as error:
            match = re.match(r"Function '(\w+)' returned nan values", str(error))
            if match is None:
                raise
            raise Diverged(
                f"the backward pass of {match[1]} gave NaN in step {_step(experiment)}, though all that came "
                "before it was finite; the stack of calls above shows its forward pass."
            ) from error
        finally:
            hook.remove()


def _under_way(experiment: Experiment) -> UniversalTrainer:
    """Returns the trainer that is running: during a pre-training that of the pre-training, else the
    fold's."""
    trainer, before = experiment.trainer, experiment.before
    return trainer if before is None or hasattr(trainer, "network") else _under_way(before)


def _step(experiment: Experiment) -> int:
    """Returns the number of the current step, 1 for the first."""
    return getattr(_under_way(experiment), "step", 0) + 1


def finite(value: Any) -> bool:
    """Whether all numbers in a tensor, or in nested tuples, lists and dicts of them, are finite."""
    if isinstance(value, Tensor):
        return not value.is_floating_point() or bool(torch.isfinite(value).all())
    if isinstance(value, dict):
        return all(finite(item) for item in value.values())
    return not isinstance(value, tuple | list) or all(finite(item) for item in value)


def _message(module: nn.Module, name: str, given: Any, step: int) -> str:
    kind = type(module).__name__
    place = f"{name} ({kind})" if name else kind
    if not finite(given):
        return (
            f"{place} is the first module to meet a number that is not finite, in its input, in step {step}; "
            "look for extreme values in the data and in the augmentation."
        )
    weights = [key for key, weight in module.named_parameters() if not finite(weight.detach())]
    reason = f"its {weights[0]} is not finite either" if weights else "its input and its weights are finite"
    return (
        f"{place} is the first module whose output is not finite, in step {step}: {reason}; "
        "try a lower trainer.optimizer.lr or trainer.update.clip_norm=1."
    )
