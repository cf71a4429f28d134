"""Data and networks so small that a whole training takes milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.config.compose import compose
from harness.core.arrays import Arrays, Loaders
from harness.core.fold import Fold
from harness.core.predictor import Predictor
from harness.core.progress import Progress
from harness.core.task import Task, TaskKind
from harness.data.load.resident import Resident
from harness.prepare.experiment import Experiment, prepare
from harness.prepare.plan import make_plan
from harness.trainer.contrast.metric import Metric
from harness.trainer.contrastive import ContrastiveTrainer
from harness.trainer.layers import Layers
from harness.trainer.mix import Unmixed
from harness.trainer.speed import Speed
from harness.trainer.supervised import SupervisedTrainer
from harness.trainer.universal import UniversalTrainer
from harness.trainer.update import Update

CLASSES: dict[str, tuple[str, ...]] = {"multiclass": ("a", "b", "c"), "binary": ("no", "yes")}
CRITERIA = {"multiclass": nn.CrossEntropyLoss, "binary": nn.BCEWithLogitsLoss, "regression": nn.MSELoss}


class Net(nn.Module):
    """(B, 4) -> (B, 8)."""

    width = 8

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 8)

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.relu(self.linear(inputs))


class Nearness(nn.Module):
    """A contrastive loss that asks the device nothing: how far a row's two views lie apart."""

    def forward(self, embeddings: Tensor, labels: Tensor, mined: Any) -> Tensor:
        del labels, mined
        first, second = embeddings.chunk(2)
        return (first - second).square().mean()


@pytest.fixture
def make_model() -> Callable[[], Net]:
    def make(seed: int = 0) -> Net:
        torch.manual_seed(seed)
        return Net()

    return make


@pytest.fixture
def make_loaders() -> Callable[..., Loaders]:
    """Rows of four numbers whose target follows from the first two."""

    def make(
        kind: TaskKind = "multiclass",
        *,
        train: int = 32,
        valid: int = 16,
        batch_size: int = 8,
        shuffle: bool = True,
    ) -> Loaders:
        task = Task(kind, CLASSES.get(kind, ()))
        inputs = torch.randn(train + valid, 4, generator=torch.Generator().manual_seed(0))
        sums = inputs[:, 0] + inputs[:, 1]
        codes = (sums > -0.5).long() + (sums > 0.5) * (kind == "multiclass")
        targets = {"regression": 152 + 77 * sums, "none": None}.get(kind, codes)
        rows = np.arange(train + valid)
        fold = Fold(0, rows[:train], rows[train:], rows[:0])
        load = Resident(batch_size=batch_size, eval_batch_size=64, shuffle=shuffle)
        return load(Arrays(inputs, targets, task), fold, torch.device("cpu"))

    return make


@pytest.fixture
def make_trainer() -> Callable[..., UniversalTrainer]:
    """A trainer with plain SGD at a constant rate, but for what the test changes.

    `kind` chooses the loss; "contrastive" is the contrastive trainer without labels.
    """

    def make(kind: str = "multiclass", **changes: Any) -> UniversalTrainer:
        guard = {"accumulate": 1, "clip_norm": None, "ema": None, "skip": 0}
        guard |= {name: changes.pop(name) for name in list(changes) if name in guard}
        layers = {"freeze": 0, "head_first": 0, "decay": 1.0, "decay_all": False}
        layers |= {name: changes.pop(name) for name in list(changes) if name in layers}
        universal: dict[str, Any] = {
            "epochs": 3,
            "steps": None,
            "minutes": None,
            "optimizer": partial(torch.optim.SGD, lr=0.1),
            "scheduler": None,
            "monitor": "valid/score",
            "patience": None,
            "update": Update(**guard),
            "layers": Layers(**layers),
            "speed": Speed(channels_last=False, compile=False, tune=False, tf32=False, parallel="ddp"),
            "device": "cpu",
            "precision": "fp32",
        }
        if kind == "contrastive":
            method = Metric(loss=Nearness(), miner=None, labels=False, projection=[8, 4])
            return ContrastiveTrainer(**({"method": method, "probe": False} | universal | changes))
        own = {"loss": CRITERIA[kind](), "class_weights": None, "mix": Unmixed()}
        return SupervisedTrainer(**(own | universal | changes))

    return make


@pytest.fixture
def train() -> Callable[..., list[Progress]]:
    """The whole training; the valid part's score in epoch e is `scores[e - 1]`, if given."""

    def run(
        trainer: UniversalTrainer,
        model: nn.Module,
        loaders: Loaders,
        *,
        scores: list[float] | None = None,
        **keywords: Any,
    ) -> list[Progress]:
        coming = iter(scores or [])

        def validate(predictor: Predictor) -> dict[str, float]:
            del predictor
            return {trainer.monitor: next(coming)} if scores else {}

        defaults: dict[str, Any] = {
            "augment": lambda inputs: inputs,
            "validate": validate,
            "stop": lambda: False,
        }
        return list(trainer.fit(model, loaders, **(defaults | keywords)))

    return run


@pytest.fixture
def make_experiment() -> Callable[..., Experiment]:
    """What `python -m harness WORDS` would train, up to the start of the training."""

    def make(*words: str) -> Experiment:
        cfg = compose(["trainer.device=cpu", "tracking=none", "split.guard=off", *words])
        plan = make_plan(cfg)
        return prepare(plan, plan.folds[0])

    return make
