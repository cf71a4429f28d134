"""Images per second on a graphics card: ResNet-50 at 224 pixels, in bfloat16, channels last, compiled.

The images are synthetic and lie on the card, so that the trainer is measured and no disk. The opponent is
`bare/card.py`, a loop tuned by hand, on the same network, optimizer, augmentation and images, in the
same process. Supervised, and SimCLR, where each image is two views.

What NVIDIA published for one A100 stands beside it: 2,470 images/s in mixed precision, of ResNet-50 v1.5
on ImageNet in the container pytorch-21.03 (github.com/NVIDIA/DeepLearningExamples,
PyTorch/Classification/ConvNets/resnet50v1.5/README.md, "Training performance: NVIDIA DGX A100").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from benchmarks.bare import card, contrastive
from benchmarks.measure import Comparison, Unable, take_turns
from benchmarks.step import groups_of
from benchmarks.synthetic import Scale, Synthetic, parts
from harness.core.protocol import Augment

ROUNDS = 3
PUBLISHED = 2470  # images/s; see above
_AIM = 1.03  # of the time per image: 0.97 of the images per second
_TOP = 6  # operations that are named

WORK = {
    "supervised": ["trainer=supervised", "trainer/loss=cross_entropy", "data/augment=none"],
    "SimCLR": ["trainer=contrastive", "trainer/method=simclr", "data/augment=image"],
}
"""What is trained: the words of the command line."""


def main(rounds: int = ROUNDS) -> list[Comparison]:
    """One comparison per trainer.

    Raises:
        Unable: there is no CUDA device.
    """
    if not torch.cuda.is_available():
        raise Unable("torch finds no CUDA device here")
    return [compare(name, Scale(), rounds) for name in WORK]


def compare(name: str, scale: Scale, rounds: int) -> Comparison:
    """The harness and the loop by hand, each for some epochs after one that warms up and compiles."""
    data = Synthetic(scale)
    contenders = {
        "harness": partial(cost, partial(train_with_harness, name, scale, data), scale),
        "loop tuned by hand": partial(cost, partial(train_by_hand, name, scale, data), scale),
    }
    costs = take_turns(contenders, rounds)
    pace = {contender: 1e6 / median(values) for contender, values in costs.items()}
    on = torch.cuda.get_device_name() if scale.device == "cuda" else scale.device
    rate = ", ".join(f"{contender} {images:,.0f}" for contender, images in pace.items())
    compiled = f"compiled ({scale.compile})" if scale.compile else "not compiled"
    notes = [
        f"On {on}, batches of {scale.batch}, {scale.precision}, channels last, {compiled}. Images/s: {rate}. "
        f"NVIDIA published {PUBLISHED:,} for supervised training on one A100 (DeepLearningExamples, "
        "ResNet-50 v1.5, mixed precision, container pytorch-21.03).",
        *what_is_left(name, scale, data),
    ]
    work = f"{name}, {scale.model} on images of {scale.side} x {scale.side}"
    return Comparison(work, "µs per image", "loop tuned by hand", _AIM, costs, notes)


def cost(train: Callable[[Callable[[float], None]], None], scale: Scale) -> float:
    """µs per image, from the end of the first epoch to the end of the last."""
    ends: list[float] = []
    train(lambda loss: ends.append(perf_counter()))
    return (ends[-1] - ends[0]) / ((len(ends) - 1) * scale.steps * scale.batch) * 1e6


def train_with_harness(name: str, scale: Scale, data: Synthetic, at_end: Callable[[float], None]) -> None:
    """`fit` as a run calls it, without a validation of the epochs."""
    trainer, augment, model = parts(scale, WORK[name])
    for progress in trainer.fit(model, data.loaders(), augment, lambda predictor: {}, lambda: False):
        at_end(progress.scores["train/loss"])


def train_by_hand(name: str, scale: Scale, data: Synthetic, at_end: Callable[[float], None]) -> None:
    """The same networks with the same weights, in a loop of their own."""
    trainer, augment, model = parts(replace(scale, compile=None), WORK[name])
    trainer.attach(model, data.loaders())
    if name == "SimCLR":
        learned = [model, trainer.method.projector]
        loss_of, _ = contrastive.simclr(*learned, trainer.method.loss.temperature)
    else:
        learned = [model, trainer.head]
        loss_of = partial(_cross_entropy, *learned)
    card.train(
        loss_of,
        partial(_views, augment, 2 if name == "SimCLR" else 1),
        learned,
        data.pairs(),
        torch.optim.SGD(groups_of(trainer.network, 0.0005), lr=0.05, momentum=0.9, nesterov=True, fused=True),
        scale,
        at_end,
    )


def _views(augment: Augment, count: int, inputs: Tensor) -> list[Tensor]:
    return [augment(inputs) for _ in range(count)]


def _cross_entropy(model: nn.Module, head: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(head(model(inputs)).float(), targets)


def what_is_left(name: str, scale: Scale, data: Synthetic) -> list[str]:
    """What a profiler sees in an epoch of the harness: the share of time in kernels, and the longest."""
    trainer, augment, model = parts(scale, WORK[name])
    epochs = trainer.fit(model, data.loaders(), augment, lambda predictor: {}, lambda: False)
    next(epochs)
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (scale.device == "cuda")
    with profile(activities=activities, acc_events=True) as profiler:
        began = perf_counter()
        next(epochs)
        seconds = perf_counter() - began
    epochs.close()
    return described(kernels(profiler, scale.device), seconds)


def kernels(profiler: Any, device: str) -> dict[str, float]:
    """Seconds of each kernel, the longest first; on a CPU, of each operation by itself."""
    kind = torch.autograd.DeviceType.CUDA if device == "cuda" else torch.autograd.DeviceType.CPU
    name = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    seconds: dict[str, float] = {}
    for event in profiler.key_averages():
        if event.device_type == kind and not event.is_user_annotation:
            seconds[event.key] = seconds.get(event.key, 0.0) + getattr(event, name) / 1e6
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def described(kernels: dict[str, float], seconds: float) -> list[str]:
    """The kernels of `seconds` in two sentences."""
    busy = sum(kernels.values())
    longest = ", ".join(f"`{name[:60]}` {spent / busy:.0%}" for name, spent in list(kernels.items())[:_TOP])
    share = f"Profiled, an epoch took {seconds:.3g} s, of which kernels {busy / seconds:.0%}."
    return [f"{share} Of their time: {longest}."]
