"""Batch size: the largest power of two whose training step fits in the device's memory."""

from __future__ import annotations

import gc
from dataclasses import replace

import torch
from torch import Tensor

from harness.core.errors import UserError
from harness.data.load.free_memory import free
from harness.prepare.experiment import Experiment, prepare
from harness.prepare.plan import Plan
from harness.runtime.config_nodes import copied
from harness.runtime.process_group import any_process, highest
from harness.trainer.batch_source import EpochIterator, StepBatch
from harness.trainer.device import find_device
from harness.trainer.saved_tensors import counted

SMALLEST, LARGEST = 8, 4096
"""With fewer rows batch normalisation sees too little; larger ones need an adjusted learning rate."""

SHARE = 0.6
"""Of the free memory; the rest is for what an operator needs while it runs, and for gaps between blocks."""


def sized(plan: Plan) -> Plan:
    """The plan with a number where the configuration says `data.load.batch_size=auto`.

    It is the largest power of two from 8 to 4096, and of at most the training rows, whose step should
    fit by what steps of 8 and 16 rows keep for their gradient; on CUDA it is then taken, and halved
    until it does. Both are tried on the first fold, and nothing of it is kept.

    Raises:
        UserError: not even the smallest fits.
    """
    if plan.before is not None:
        plan = replace(plan, before=sized(plan.before))
    if plan.cfg.data.load.get("batch_size") != "auto":
        return plan
    most = power_of_two(min(LARGEST, len(plan.folds[0].train)))
    size = _smallest(min(most, max(_expected(plan, most), SMALLEST)))
    while any_process(not _fits(plan, size)):
        if size <= SMALLEST:
            raise UserError(
                f"data.load.batch_size=auto found no size that fits: not even {size} rows at once do on this "
                "device",
                "choose a smaller model, or trainer.precision=bf16",
                key="data.load.batch_size",
            )
        size //= 2
    return with_size(plan, size)


def _smallest(size: int) -> int:
    """The smallest of the sizes that several processes found, each for its own device."""
    return int(-highest(-float(size))[0])


def power_of_two(most: float) -> int:
    """The largest power of two up to `most`, at least 1."""
    return 1 << max(int(most).bit_length() - 1, 0)


def with_size(plan: Plan, size: int) -> Plan:
    """The plan with a number in place of `data.load.batch_size=auto`."""
    cfg = copied(plan.cfg)
    cfg.data.load.batch_size = size
    return plan.with_config(cfg, chosen={**plan.chosen, "data.load.batch_size": str(size)})


def _expected(plan: Plan, most: int) -> int:
    """The largest size whose step should fit."""
    few, many = min(SMALLEST, most), min(2 * SMALLEST, most)
    try:
        some = saved(*_first_step(plan, few))
        experiment, batch = _first_step(plan, many)
        more = saved(experiment, batch)
        _take_step(experiment, batch)  # from now on the optimizer's memory, and an average's, is in use
    except torch.OutOfMemoryError:
        return few
    device = experiment.trainer.device
    _free_cached(device)
    per_row = max((more - some) / max(many - few, 1), 1.0)
    left = SHARE * free(device) - _gradients(experiment) - (more - per_row * many)
    return power_of_two(max(left, 0.0) / per_row)


def _fits(plan: Plan, size: int) -> bool:
    """Whether a step of that size fits; on a CPU, where nothing reports it, True."""
    device = find_device(plan.cfg.trainer.device)
    if device.type != "cuda":
        return True
    try:
        _take_step(*_first_step(plan, size))
    except torch.OutOfMemoryError:
        return False
    finally:
        _free_cached(device)
    return True


def _first_step(plan: Plan, size: int) -> tuple[Experiment, StepBatch]:
    """The first fold with everything on its device, and what its first step takes."""
    experiment = prepare(replace(with_size(plan, size), before=None), plan.folds[0])
    trainer = experiment.trainer
    trainer.attach(experiment.model, experiment.loaders)
    trainer.network.train()
    return experiment, next(iter(EpochIterator(trainer.batch_source(experiment.loaders))))


def _loss(experiment: Experiment, batch: StepBatch) -> Tensor:
    trainer = experiment.trainer
    parts = trainer.unpack(batch, experiment.augment)
    with torch.autocast(trainer.device.type, dtype=trainer.autocast, enabled=trainer.autocast is not None):
        return trainer.loss(parts)


def _take_step(experiment: Experiment, batch: StepBatch) -> None:
    update = experiment.trainer.update
    update.backward(_loss(experiment, batch), 1)
    update.step()


def _free_cached(device: torch.device) -> None:
    """Frees the memory that torch caches, so that it counts as free."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _gradients(experiment: Experiment) -> int:
    """The bytes of all gradients together."""
    learned = (weight for weight in experiment.trainer.network.parameters() if weight.requires_grad)
    return sum(weight.numel() * weight.element_size() for weight in learned)


def saved(experiment: Experiment, batch: StepBatch) -> int:
    """The bytes that the loss of a batch keeps for its gradient, beside the weights themselves."""
    network = experiment.trainer.network
    with counted([*network.parameters(), *network.buffers()]) as sizes:
        _loss(experiment, batch)
    return sum(sizes.values())
