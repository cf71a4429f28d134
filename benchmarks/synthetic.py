"""Synthetic images that lie on the device: a loader that costs next to nothing, and its trainer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harness.config.compose import compose
from harness.config.instantiate import build
from harness.core.arrays import Batch, Loaders
from harness.core.task import Task
from harness.prepare.parts import new_model


@dataclass(frozen=True)
class Scale:
    """How large the work is, and on what.

    side     of the square colour images, in pixels
    batch    images in a step; of two views each where the trainer is contrastive
    batches  that differ; a pass goes round them
    steps    of an epoch
    compile  the mode of `torch.compile`, or None
    """

    model: str = "resnet50"
    side: int = 224
    classes: int = 1000
    batch: int = 256
    batches: int = 4
    steps: int = 40
    epochs: int = 4
    device: str = "cuda"
    precision: str = "bf16"
    compile: str | None = "default"

    @property
    def shape(self) -> tuple[int, int, int]:
        return (3, self.side, self.side)


class Synthetic:
    """A `Loader` of normal pixels and random classes, channels last, drawn once."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        generator = torch.Generator(scale.device).manual_seed(0)
        count = scale.batch * scale.batches
        inputs = torch.randn(count, *scale.shape, generator=generator, device=scale.device)
        self.inputs = inputs.to(memory_format=torch.channels_last)
        self.targets = torch.randint(scale.classes, (count,), generator=generator, device=scale.device)
        self.rows = torch.arange(count)

    def __len__(self) -> int:
        return self.scale.steps

    def __iter__(self) -> Iterator[Batch]:
        rows = self.rows.to(self.inputs.device).split(self.scale.batch)
        for step, (inputs, targets) in zip(range(len(self)), self.pairs() * len(self), strict=False):
            yield Batch(inputs, targets, rows[step % len(rows)])

    def ordered(self) -> Iterator[Batch]:
        for rows, (inputs, targets) in zip(self.rows.split(self.scale.batch), self.pairs(), strict=True):
            yield Batch(inputs, targets, rows)

    def pairs(self) -> list[tuple[Tensor, Tensor]]:
        """Inputs and targets of each batch, views of what lies on the device."""
        batch = self.scale.batch
        return list(zip(self.inputs.split(batch), self.targets.split(batch), strict=True))

    def loaders(self) -> Loaders:
        classes = tuple(str(code) for code in range(self.scale.classes))
        return Loaders(self, None, None, None, self.scale.shape, Task("multiclass", classes))


def parts(scale: Scale, words: list[str]) -> tuple[Any, Any, nn.Module]:
    """Trainer, augmentation and a new model of a command line, at this scale."""
    fixed = [
        f"model={scale.model}",
        "data/transform=image",
        "trainer/optimizer=sgd",
        "trainer/scheduler=none",
        "trainer.monitor=valid/loss",
        f"trainer.epochs={scale.epochs}",
        f"trainer.device={scale.device}",
        f"trainer.precision={scale.precision}",
        "trainer.speed.channels_last=true",
        f"trainer.speed.compile={scale.compile or 'false'}",
    ]
    cfg = compose([*words, *fixed])
    trainer, augment = build(cfg.trainer, "trainer"), build(cfg.data.augment, "data.augment")
    return trainer, augment, new_model(cfg.model, scale.shape)
