"""What a checkpoint costs: of the default training, as a share of its epoch; and of a ResNet-50's size.

A checkpoint is the state of the training, copied, and its file, written with its hash, renamed into
place and waited for until the disk has it. `torch.save` stands beside it: it has no hash, waits for no
disk, and leaves a torn file where the machine goes down.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch

from benchmarks.gpu import PUBLISHED
from benchmarks.measure import Comparison, take_turns
from benchmarks.step import assemble
from benchmarks.synthetic import Scale, Synthetic, parts
from harness.checkpoint import checkpoint_file
from harness.core.progress import Progress

ROUNDS = 9
SMALL = ["data/extract=digits", "trainer.device=cpu"]
LARGE = Scale(batch=1, batches=1, steps=1, side=32, device="cpu", precision="fp32", compile=None)
_IMAGENET = 1_281_167  # images of an epoch


def main(rounds: int = ROUNDS) -> list[Comparison]:
    """A checkpoint against an epoch, and against `torch.save`."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as name:
        return [of_an_epoch(SMALL, Path(name), rounds), of_size(LARGE, Path(name), rounds)]


def of_an_epoch(words: list[str], folder: Path, rounds: int) -> Comparison:
    """A checkpoint after each epoch of a training, with the epoch before it; the first is not counted."""
    written: list[float] = []
    epochs: list[float] = []
    for progress in epochs_of(words, rounds + 1):
        epochs.append(progress.scores["time/epoch_seconds"])
        written.append(seconds_of_a_checkpoint(progress, folder / "digits.safetensors"))
    costs = {
        "a checkpoint": [1000 * seconds for seconds in written[1:]],
        "an epoch": [1000 * seconds for seconds in epochs[1:]],
    }
    size = (folder / "digits.safetensors").stat().st_size / 1e6
    notes = [f"The checkpoint is of {size:.1f} MB. `checkpoint.share` leaves out those that cost over 0.05."]
    return Comparison("a checkpoint of the default training", "ms", "an epoch", 0.05, costs, notes)


def of_size(scale: Scale, folder: Path, rounds: int) -> Comparison:
    """The state of a training of a large network with momentum, against `torch.save` of the same."""
    data = Synthetic(scale)
    trainer, augment, model = parts(scale, ["trainer=supervised", "trainer/loss=cross_entropy"])
    progress = next(trainer.fit(model, data.loaders(), augment, lambda predictor: {}, lambda: False))
    ours, theirs = folder / "large.safetensors", folder / "large.pt"
    contenders = {
        "harness": partial(seconds_of_a_checkpoint, progress, ours),
        "torch.save": partial(seconds_of_torch_save, progress, theirs),
    }
    costs = take_turns(contenders, rounds)
    size, seconds = ours.stat().st_size / 1e6, median(costs["harness"])
    epoch = _IMAGENET / PUBLISHED
    notes = [
        f"{size:.0f} MB. At {PUBLISHED:,} images/s (see `benchmarks/gpu.py`) an epoch of ImageNet takes "
        f"{epoch:.0f} s, of which a checkpoint is {seconds / epoch:.1%}."
    ]
    return Comparison(f"a checkpoint of {scale.model} with momentum", "s", "torch.save", 2.0, costs, notes)


def epochs_of(words: list[str], epochs: int) -> Iterator[Progress]:
    """A training, epoch by epoch; nobody judges it."""
    experiment = assemble([*words, f"trainer.epochs={epochs}"], 0)
    model, loaders, augment = experiment.new_model(), experiment.loaders, experiment.augment
    return experiment.trainer.fit(model, loaders, augment, lambda predictor: {}, lambda: False)


def seconds_of_a_checkpoint(progress: Progress, path: Path) -> float:
    """To copy the state and to have it on the disk."""
    began = perf_counter()
    checkpoint_file.write(path, progress.state(), {"epoch": progress.epoch})
    return perf_counter() - began


def seconds_of_torch_save(progress: Any, path: Path) -> float:
    """To copy the state and to hand it to the operating system."""
    began = perf_counter()
    torch.save(progress.state(), path)
    return perf_counter() - began
