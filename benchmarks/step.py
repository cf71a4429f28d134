"""What the trainer adds to a training step.

A step of a small network takes a tenth of a millisecond, so that everything a framework does
around it shows. The opponent is the best loop that we can write by hand for the same network, data,
optimizer and batch: tensors in memory, a permutation per epoch, `index_select`, gradients set to
None, the loss summed on the device and read once per epoch. It has no evaluation, no schedule, no
early stopping and no ear for Ctrl-C; the harness has them all, and here is their price.

Lightning's Trainer stands beside both, twice: as it comes, and with everything that can be switched
off switched off. It is fed by a DataLoader, as its users feed it.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import partial
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.measure import Comparison, take_turns
from harness.config.compose import compose
from harness.config.instantiate import build
from harness.core.arrays import Arrays
from harness.core.fold import Fold
from harness.core.task import Task
from harness.prepare.experiment import Experiment, prepare
from harness.prepare.plan import make_plan
from harness.runtime.stop_signals import Stop

_CANCER = ["data/extract=breast_cancer", "model.widths=[64]", "model.dropout=0"]

WORK = {
    "MLP 30-64-2, some 100 steps an epoch": (_CANCER, 12, 16, 1.05),
    "MLP 30-64-1, 7 steps an epoch, as `data/extract=breast_cancer` trains it": (_CANCER, 150, 0, 1.12),
    "convolutional network on digits": (["data/extract=digits"], 8, 0, 1.02),
}
"""What is trained: the words of the command line, for how many epochs at a time, how often its rows are
repeated, with one output per class (0: as the command line trains it), and the aim."""

BATCH = 64
ROUNDS = 11

Train = Callable[[], list[float]]
"""Trains a new network and gives the time at which each epoch ended."""


def main(rounds: int = ROUNDS) -> list[Comparison]:
    """One comparison per network."""
    torch.set_num_threads(1)
    return [compare(work, *what, rounds) for work, what in WORK.items()]


def compare(work: str, words: list[str], epochs: int, times: int, aim: float, rounds: int) -> Comparison:
    """All contenders on one network, each for `epochs` epochs after one that warms up."""
    words = [*words, f"data.load.batch_size={BATCH}", f"trainer.epochs={epochs + 1}", "trainer.device=cpu"]
    plain = assemble([*words, "trainer/scheduler=none"], times)
    scheduled = assemble(words, times)
    steps = len(plain.loaders.train)
    inputs, targets = tensors(plain)
    new = partial(network, plain)
    with TemporaryDirectory() as folder:
        lightning = partial(train_with_lightning, new, inputs, targets, epochs + 1, folder)
        contenders: dict[str, Train] = {
            "harness": partial(train_with_harness, plain),
            "harness, schedule moved every step": partial(train_with_harness, scheduled),
            "bare PyTorch loop": partial(train_by_hand, new, inputs, targets, epochs + 1),
            "Lightning, extras off": partial(lightning, extras=False),
            "Lightning, as it comes": partial(lightning, extras=True),
        }
        costs = take_turns({name: partial(cost, train, steps) for name, train in contenders.items()}, rounds)
    notes = [
        f"{len(targets)} training rows, {steps} steps of {BATCH} an epoch, which share its costs.",
        "Lightning as it comes shows a progress bar, logs to CSV and saves a checkpoint every epoch.",
    ]
    return Comparison(work, "µs per step", "bare PyTorch loop", aim, costs, notes)


def cost(train: Train, steps: int) -> float:
    """µs per step, from the end of the first epoch to the end of the last."""
    ends = train()
    return (ends[-1] - ends[0]) / ((len(ends) - 1) * steps) * 1e6


def assemble(words: list[str], times: int) -> Experiment:
    """The parts that `python -m harness WORDS` would train with, or on its training rows repeated."""
    plan = make_plan(compose(words))
    experiment = prepare(plan, plan.folds[0])
    return repeated(experiment, plan.cfg, times) if times else experiment


def repeated(experiment: Experiment, cfg: DictConfig, times: int) -> Experiment:
    """The training rows over and over and nothing else, with an output per class and cross-entropy."""
    inputs, codes = tensors(experiment)
    task = Task("multiclass", experiment.loaders.task.classes)
    arrays = Arrays(inputs.repeat(times, 1), codes.long().repeat(times), task)
    none = np.empty(0, dtype=np.int64)
    fold = Fold(0, np.arange(len(arrays.inputs)), none, none)
    loaders = build(cfg.data.load)(arrays, fold, torch.device("cpu"))
    trainer = build({**cfg.trainer, "loss": {"_target_": "torch.nn.CrossEntropyLoss"}})
    return replace(experiment, fold=fold, loaders=loaders, trainer=trainer)


def tensors(experiment: Experiment) -> tuple[Tensor, Tensor]:
    """The training rows as the transform made them, for the other contenders."""
    inputs = torch.cat([batch.inputs for batch in experiment.loaders.train.ordered()])
    targets = experiment.loaders.train.targets
    if targets is None:
        raise ValueError("a supervised network needs targets")
    # Binary cross-entropy takes numbers: the loop by hand has them ready, the harness makes them every step.
    return inputs, targets.float() if experiment.loaders.task.kind == "binary" else targets


def network(experiment: Experiment) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """The same architecture with random weights and a head, and its loss."""
    model: Any = experiment.new_model()
    head = nn.Linear(model.width, experiment.loaders.task.outputs)
    if experiment.loaders.task.kind == "binary":
        return nn.Sequential(model, head, nn.Flatten(0)), functional.binary_cross_entropy_with_logits
    return nn.Sequential(model, head), functional.cross_entropy


def optimizer_of(network: nn.Module) -> torch.optim.Optimizer:
    """With the arguments of conf/trainer/optimizer/adamw.yaml; norms and biases do not decay."""
    groups = groups_of(network, weight_decay=0.01)
    return torch.optim.AdamW(groups, lr=0.003, betas=(0.9, 0.999), eps=1e-8, fused=True)


def groups_of(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters that learn, in the groups of an optimizer."""
    learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in learned if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in learned if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


def train_with_harness(experiment: Experiment) -> list[float]:
    """`fit` as a run calls it, without a validation of the epochs."""
    fit = experiment.trainer.fit
    model, loaders, augment = experiment.new_model(), experiment.loaders, experiment.augment
    return [perf_counter() for _ in fit(model, loaders, augment, lambda predictor: {}, Stop())]


def train_by_hand(new: Callable[[], Any], inputs: Tensor, targets: Tensor, epochs: int) -> list[float]:
    """The loop to beat."""
    model, criterion = new()
    parameters = list(model.parameters())
    optimizer = optimizer_of(model)
    model.train()
    ends = []
    for _ in range(epochs):
        total = torch.zeros(())
        for rows in torch.randperm(len(inputs)).split(BATCH):
            loss = criterion(model(inputs.index_select(0, rows)), targets.index_select(0, rows))
            loss.backward()
            optimizer.step()
            for parameter in parameters:
                parameter.grad = None
            total += loss.detach()
        total.item()
        ends.append(perf_counter())
    return ends


def train_with_lightning(
    new: Callable[[], Any], inputs: Tensor, targets: Tensor, epochs: int, folder: str, *, extras: bool
) -> list[float]:
    """A LightningModule, a DataLoader and a Trainer, as its documentation has them."""
    with silence():
        import lightning

    network, criterion = new()
    ends: list[float] = []

    class Module(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
            del index
            return criterion(self.network(batch[0]), batch[1])  # type: ignore[no-any-return]

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return optimizer_of(self)

        def on_train_epoch_end(self) -> None:
            ends.append(perf_counter())

    names = ("logger", "enable_progress_bar", "enable_checkpointing", "enable_model_summary")
    off = {} if extras else dict.fromkeys(names, False)
    loader = DataLoader(TensorDataset(inputs, targets), batch_size=BATCH, shuffle=True)
    with silence():
        trainer = lightning.Trainer(
            max_epochs=epochs, accelerator="cpu", devices=1, default_root_dir=folder, **off
        )
        trainer.fit(Module(), loader)
    return ends


@contextmanager
def silence() -> Iterator[None]:
    """Lightning's words go nowhere; they are still formed."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with (
        open(os.devnull, "w") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
        warnings.catch_warnings(action="ignore"),
    ):
        yield
