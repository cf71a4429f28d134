"""Which trainings can be members of one fused training, and why others cannot."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from math import inf
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from harness.core.arrays import Batch, Loaders
from harness.core.protocol import Augment
from harness.data.augment.none import Identity
from harness.data.load.batch_order import batch_sizes
from harness.data.load.resident import ResidentPart
from harness.runtime.process_group import world
from harness.trainer.fused.flat_members import FlatMembers
from harness.trainer.fused.fused_optimizer import OPTIMIZERS
from harness.trainer.fused.fused_step import DropoutUses, FusedStep, traced
from harness.trainer.fused.member_functions import NotVectorised
from harness.trainer.network import members_for, width_of
from harness.trainer.random_state import generators, set_generators
from harness.trainer.universal import UniversalTrainer

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_RECURRENT = nn.RNNBase

_TRIED = 3
"""Members of the step that is tried."""


class _Limit(NamedTuple):
    """Up to which size trainings are faster together.

    parameters  at most
    batch_size  at most
    together    batches that a step computes together, at least
    """

    parameters: int
    batch_size: float
    together: float


_LIMITS = {
    False: (_Limit(50_000, inf, 5.2), _Limit(80_000, 16, 5.2), _Limit(150_000, inf, 8.0)),
    True: (_Limit(90_000, inf, 8.0),),
}
"""When trainings are faster together on a CPU: within one of these limits.

By whether rows are augmented, which is done for each member alone and lowers what is gained. Measured by
`benchmarks/fused.py` on multilayer perceptrons with and without norms, on a transformer, and on contrastive
methods. With fewer members, torch's overhead of a vectorised step is larger than that of the plain steps; of
larger models, all members together exceed the cache.
"""


class StepSize(NamedTuple):
    """How much a training computes in a step.

    parameters  of the model, and of what learns or follows beside it, such as a projection head
    augmented   whether its rows are augmented
    """

    parameters: int
    augmented: bool = False

    @classmethod
    def of(cls, trainer: UniversalTrainer, model: nn.Module, loaders: Loaders, augment: Augment) -> StepSize:
        """That of a training which has not begun; as `preflight`, it draws no random number."""
        trainer.members = members_for(trainer, model)
        with torch.random.fork_rng(devices=[]):
            head = trainer.build_head(width_of(model), loaders.task)
            companion = trainer.build_companion(model, head, loaders.task)
        modules = [model] if companion is None else [model, companion]
        count = sum(parameter.numel() for module in modules for parameter in module.parameters())
        return cls(count, type(augment) is not Identity)


def is_faster(size: StepSize, train_rows: Sequence[int], batch_size: int, share_last: bool = False) -> bool:
    """Whether trainings are faster together than one after another, by `_LIMITS`.

    Only batches of one size are computed together. Trainings with different numbers of rows have last batches
    of different sizes, so what counts is how many batches a step computes on average.

    Args:
        size: of each of them.
        train_rows: of each training.
        share_last: as of `batch_sizes`.
    """
    passes = [batch_sizes(rows, batch_size, share_last=share_last) for rows in train_rows]
    calls = sum(len({rows for rows in step if rows}) for step in zip_longest(*passes))
    together = sum(map(len, passes)) / max(1, calls)
    return any(
        size.parameters <= limit.parameters and batch_size <= limit.batch_size and together >= limit.together
        for limit in _LIMITS[size.augmented]
    )


def _has_free_tensors(model: nn.Module) -> bool:
    """Whether a module has a tensor that is neither parameter nor buffer, and so no member's own."""
    return any(isinstance(value, Tensor) for module in model.modules() for value in vars(module).values())


def why_alone(trainer: UniversalTrainer, model: nn.Module, loaders: Loaders, augment: Augment) -> str | None:
    """Why this training cannot be a member of a fused one; None if it can.

    Tries one step of a few members, on copies; nothing is changed.
    """
    reason = known_reason(trainer, model, loaders, augment)
    return _try_step(trainer, model, loaders, augment) if reason is None else reason


def known_reason(
    trainer: UniversalTrainer, model: nn.Module, loaders: Loaders, augment: Augment
) -> str | None:
    """As `why_alone`, without a step: the model is not called."""
    return next(_reasons(trainer, model, loaders, augment), None)


def _reasons(
    trainer: UniversalTrainer, model: nn.Module, loaders: Loaders, augment: Augment
) -> Iterator[str]:
    """What is known without a step."""
    if world() > 1:
        yield "torchrun divides each batch over its processes"
    if trainer.device.type != "cpu":
        yield f"this was tested on the CPU only, and the device is {trainer.device.type}"
    if trainer.autocast is torch.float16:
        yield "trainer.precision=fp16 scales the loss"
    if trainer.update.accumulate > 1:
        yield "trainer.update.accumulate is above 1"
    if trainer.layers.head_first:
        yield "trainer.layers.head_first is above 0"
    if trainer.budget.timed:
        yield "trainer.minutes limits the time of each training"
    if trainer.speed.compile:
        yield "trainer.speed.compile is set"
    if trainer.why_not_fused is not None:
        yield trainer.why_not_fused
    if not isinstance(loaders.train, ResidentPart):
        yield "the samples do not stay in memory"
    if _has_free_tensors(model):
        yield "the model has a tensor that is no parameter or buffer"
    if any(isinstance(module, _RECURRENT) for module in model.modules()):
        yield "recurrent layers are not vectorised"
    if any(isinstance(module, _CONVOLUTIONS) for module in model.modules()):
        yield "convolutions are not faster on a CPU"


def _try_step(trainer: UniversalTrainer, model: nn.Module, loaders: Loaders, augment: Augment) -> str | None:
    kept = generators(trainer.device)
    try:
        own, network = copy.deepcopy((trainer, model))
        own.attach(network, loaders)
        optimizer = type(own.optimizer)
        if optimizer not in OPTIMIZERS:
            return f"the optimizer {optimizer.__name__} is not vectorised"
        if _has_free_tensors(own.network):
            return "the trainer has a tensor that is no parameter or buffer"
        batch = next(own.begin_epoch())
        assert isinstance(batch, Batch)
        parts = [own.unpack(_varied(batch, number, len(loaders.codes)), augment) for number in range(_TRIED)]
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # torch warns of an operation that it repeats for each member
            return _tried(own, parts)
    except NotVectorised as error:
        return str(error)
    except (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError, UserWarning) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        return f"the network cannot be vectorised ({reason})"
    finally:
        set_generators(kept, trainer.device)


def _varied(batch: Batch, number: int, codes: int) -> Batch:
    """Another batch of the same rows, with other inputs, and targets of each other.

    Args:
        codes: the number of the last features that are codes of categories.
    """
    inputs = batch.inputs * (1 + number / 4)
    if codes:  # those of other rows: another number may be the code of nothing
        inputs[..., -codes:] = batch.inputs[..., -codes:].roll(number, dims=0)
    targets = None if batch.targets is None else batch.targets.roll(number, dims=0)
    return batch._replace(inputs=inputs, targets=targets)


def _tried(trainer: UniversalTrainer, parts: Sequence[Any]) -> str | None:
    """Takes a step of several members together, and of each of them alone, and compares the bits.

    Args:
        parts: of each member.
    """
    unused = traced(trainer, parts[0]).unused
    before = [(buffer, buffer.clone()) for buffer in trainer.network.buffers()]

    def step(first: int, last: int) -> list[Tensor]:
        for buffer, values in before:
            buffer.copy_(values)
        members = [trainer] * (last - first)
        flat = FlatMembers(members, unused)
        fused = FusedStep(trainer, flat, [DropoutUses(one) for one in members])
        random = [torch.Generator().manual_seed(number) for number in range(first, last)]
        masks = fused.draw(0, parts[first], random)
        losses, gradients, noted = fused(0, parts[first:last], masks)
        changed = [flat.stacked[name].clone() for name, _ in trainer.network.named_buffers()]
        return [losses, *(value for _, value, _ in noted), *gradients, *changed]

    together = step(0, len(parts))
    if together[0].shape != (len(parts),):
        return "its loss is not one number for a batch"
    for number in range(len(parts)):
        alone = step(number, number + 1)
        if not all(torch.equal(one[0], all_[number]) for one, all_ in zip(alone, together, strict=True)):
            return "its roundings would depend on the number of members"
    return None
