"""Which trainings can be members of one fused training, and why others cannot."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from itertools import zip_longest

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
from harness.trainer.mix import Unmixed
from harness.trainer.random_state import generators, set_generators
from harness.trainer.supervised import SupervisedTrainer
from harness.trainer.universal import UniversalTrainer

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_RECURRENT = nn.RNNBase

_LEAST = ((50_000, 6.0), (150_000, 10.0))
"""Parameters of a model at most, and batches that a step must compute together to be faster on a CPU.

Measured by `benchmarks/fused.py` on multilayer perceptrons with and without norms, and on a transformer. With
fewer members, torch's overhead of a vectorised step is larger than that of the plain steps; of larger models,
all members together exceed the cache.
"""


def is_faster(parameters: int, train_rows: Sequence[int], batch_size: int) -> bool:
    """Whether trainings are faster together than one after another, by `_LEAST`.

    Only batches of one size are computed together. Trainings with different numbers of rows have last batches
    of different sizes, so what counts is how many batches a step computes on average.

    Args:
        parameters: of the model.
        train_rows: of each training.
    """
    passes = [batch_sizes(rows, batch_size) for rows in train_rows]
    calls = sum(len({size for size in step if size}) for step in zip_longest(*passes))
    together = sum(map(len, passes)) / max(1, calls)
    return any(parameters <= most and together >= least for most, least in _LEAST)


def _has_free_tensors(model: nn.Module) -> bool:
    """Whether a module has a tensor that is neither parameter nor buffer, and so no member's own."""
    return any(isinstance(value, Tensor) for module in model.modules() for value in vars(module).values())


def why_alone(trainer: UniversalTrainer, model: nn.Module, loaders: Loaders, augment: Augment) -> str | None:
    """Why this training cannot be a member of a fused one; None if it can.

    Tries one step of two members, on copies; nothing is changed.
    """
    reason = known_reason(trainer, model, loaders, augment)
    if reason is not None:
        return reason
    assert isinstance(trainer, SupervisedTrainer)
    return _try_step(trainer, model, loaders)


def known_reason(
    trainer: UniversalTrainer, model: nn.Module, loaders: Loaders, augment: Augment
) -> str | None:
    """As `why_alone`, without a step: the model is not called."""
    return next(_reasons(trainer, model, loaders, augment), None)


def _reasons(
    trainer: UniversalTrainer, model: nn.Module, loaders: Loaders, augment: Augment
) -> Iterator[str]:
    """What is known without a step."""
    if not isinstance(trainer, SupervisedTrainer):
        yield f"{type(trainer).__name__} is not vectorised"
        return
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
    if type(trainer.mix) is not Unmixed:
        yield "trainer.mix blends the rows of a batch"
    if type(augment) is not Identity:
        yield "data.augment changes the rows of a batch"
    if trainer.has_own_unpack:
        yield "trainer.unpack is set"
    if not isinstance(loaders.train, ResidentPart):
        yield "the samples do not stay in memory"
    if _has_free_tensors(model):
        yield "the model has a tensor that is no parameter or buffer"
    if any(isinstance(module, _RECURRENT) for module in model.modules()):
        yield "recurrent layers are not vectorised"
    if any(isinstance(module, _CONVOLUTIONS) for module in model.modules()):
        yield "convolutions are not faster on a CPU"


def _try_step(trainer: SupervisedTrainer, model: nn.Module, loaders: Loaders) -> str | None:
    kept = generators(trainer.device)
    try:
        own, network = copy.deepcopy((trainer, model))
        own.attach(network, loaders)
        optimizer = type(own.optimizer)
        if optimizer not in OPTIMIZERS:
            return f"the optimizer {optimizer.__name__} is not vectorised"
        batch = next(own.begin_epoch())
        assert isinstance(batch, Batch)
        parts = own.unpack(batch, Identity())
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # torch warns of an operation that it repeats for each member
            return _tried(own, parts.data, parts.labels, len(loaders.codes))
    except NotVectorised as error:
        return str(error)
    except (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError, UserWarning) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        return f"the network cannot be vectorised ({reason})"
    finally:
        set_generators(kept, trainer.device)


def _tried(trainer: SupervisedTrainer, data: Tensor, labels: Tensor, codes: int) -> str | None:
    """Takes a step of three members together, and of each of them alone, and compares the bits.

    Args:
        codes: the number of the last features that are codes of categories.
    """
    unused = traced(trainer, data, labels).unused
    rows = [torch.arange(len(data)).roll(number) for number in range(3)]
    inputs = torch.stack([data * (1 + number / 4) for number in range(3)])
    if codes:  # those of other rows: another number may be the code of nothing
        inputs[..., -codes:] = torch.stack([data[order, -codes:] for order in rows])
    targets = torch.stack([labels[order] for order in rows])

    def step(first: int, last: int) -> list[Tensor]:
        members = [trainer] * (last - first)
        fused = FusedStep(trainer, FlatMembers(members, unused), [DropoutUses(one) for one in members])
        random = [torch.Generator().manual_seed(number) for number in range(first, last)]
        own = inputs[first:last], targets[first:last]
        losses, gradients = fused(0, *own, fused.draw(0, *own, random))
        return [losses, *gradients]

    together = step(0, 3)
    if together[0].shape != (3,):
        return "its loss is not one number for a batch"
    for number in range(3):
        alone = step(number, number + 1)
        if not all(torch.equal(one[0], all_[number]) for one, all_ in zip(alone, together, strict=True)):
            return "its roundings would depend on the number of members"
    return None
