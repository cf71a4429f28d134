"""What the trainer adds to a step of contrastive and of semi-supervised learning.

The opponents are loops by hand for one method each, `bare/contrastive.py` and `bare/semi_supervised.py`.
They begin with the same weights, draw the same random numbers and use the same augmentation, and so come
to the same losses, which a test compares; they have no schedule, no guard against NaN, no early stopping,
no evaluation and no ear for Ctrl-C.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.bare import contrastive, semi_supervised
from benchmarks.measure import Comparison, take_turns
from benchmarks.step import BATCH, assemble, cost, optimizer_of, train_with_harness
from harness.prepare.experiment import Experiment

_EMA = 0.99  # of conf/trainer/semi_supervised.yaml

WORK = [
    *(("contrastive", name) for name in ("simclr", "supcon", "moco", "byol", "simsiam", "vicreg", "barlow")),
    *(("semi_supervised", name) for name in ("fixmatch", "mean_teacher")),
]
"""Trainers and their methods."""

EPOCHS = 3
ROUNDS = 5


def main(rounds: int = ROUNDS) -> list[Comparison]:
    """One comparison per method."""
    torch.set_num_threads(1)
    return [compare(trainer, method, rounds) for trainer, method in WORK]


def compare(trainer: str, method: str, rounds: int, *further: str) -> Comparison:
    """The harness and the loop by hand on digits, each for some epochs after one that warms up."""
    experiment = prepared(trainer, method, EPOCHS + 1, *further)
    beside = copy.deepcopy(experiment.trainer)  # which gives the loop by hand its modules
    steps = len(experiment.loaders.unlabelled or experiment.loaders.train)
    contenders = {
        "harness": partial(cost, partial(train_with_harness, experiment), steps),
        "bare PyTorch loop": partial(cost, partial(ends_by_hand, experiment, beside, method), steps),
    }
    notes = [f"Convolutional network, {steps} steps of {BATCH} rows an epoch, which share its costs."]
    work = f"trainer={trainer} trainer/method={method} on digits"
    return Comparison(work, "µs per step", "bare PyTorch loop", 1.10, take_turns(contenders, rounds), notes)


def prepared(trainer: str, method: str, epochs: int, *further: str) -> Experiment:
    """What `python -m harness trainer=… trainer/method=…` trains with, at a constant rate."""
    words = [f"trainer={trainer}", f"trainer/method={method}", *further]
    if trainer == "semi_supervised":
        words += ["split.labelled=40", "data/augment=image"]
    fixed = ["trainer/scheduler=none", "trainer.device=cpu", f"data.load.batch_size={BATCH}"]
    return assemble([*words, *fixed, f"trainer.epochs={epochs}"], 0)


def ends_by_hand(experiment: Experiment, trainer: Any, method: str) -> list[float]:
    """A new training by hand; when each of its epochs ended."""
    trainer.attach(experiment.new_model(), experiment.loaders)
    ends: list[float] = []
    train_by_hand(experiment, trainer, method, lambda loss: ends.append(perf_counter()))
    return ends


def train_by_hand(experiment: Experiment, trainer: Any, method: str, at_end: Callable[[float], None]) -> None:
    """The training of a trainer that is attached to its model, by hand: its modules are taken over."""
    optimizer = optimizer_of(trainer.network)
    if ("contrastive", method) in WORK:
        made = contrastive_by_hand(trainer, method)
        inputs, targets = tensors(experiment.loaders.train)
        learned = [trainer.model, *heads(trainer)]
        augment = experiment.augment
        contrastive.train(
            made, learned, inputs, targets, augment, optimizer, BATCH, trainer.budget.epochs, at_end
        )
        return
    model, head, own = trainer.model, trainer.head, trainer.method
    if method == "fixmatch":
        made = semi_supervised.fixmatch(model, head, experiment.augment, own.threshold)
    else:
        made = semi_supervised.mean_teacher(model, head, experiment.augment, own.weight, own.ramp, own.decay)
    labelled, (unlabelled, _) = tensors(experiment.loaders.train), tensors(experiment.loaders.unlabelled)
    semi_supervised.train(
        made, [model, head], labelled, unlabelled, optimizer, _EMA, BATCH, trainer.budget.epochs, at_end
    )


def contrastive_by_hand(trainer: Any, method: str) -> Any:
    """Loss and follower of a method, with the arguments of its yaml."""
    model, own = trainer.model, trainer.method
    made: dict[str, Callable[[], Any]] = {
        "simclr": lambda: contrastive.simclr(model, own.projector, own.loss.temperature),
        "supcon": lambda: contrastive.supcon(model, own.projector, own.loss.temperature),
        "moco": lambda: contrastive.moco(
            model, own.projector, own.queue.clone(), own.temperature, own.momentum
        ),
        "byol": lambda: contrastive.byol(model, own.projector, own.predictor, own.momentum),
        "simsiam": lambda: contrastive.simsiam(model, own.projector, own.predictor),
        "vicreg": lambda: contrastive.vicreg(model, own.projector, **own.weights),
        "barlow": lambda: contrastive.barlow(model, own.projector, own.redundancy),
    }
    return made[method]()


def heads(trainer: Any) -> list[nn.Module]:
    """The modules that learn beside the model of a contrastive trainer."""
    own = trainer.method
    return [getattr(own, name) for name in ("projector", "predictor") if hasattr(own, name)]


def tensors(loader: Any) -> tuple[Tensor, Tensor]:
    """The rows of a part as the transform made them, and their targets."""
    inputs = torch.cat([batch.inputs for batch in loader.ordered()])
    return inputs, loader.targets
