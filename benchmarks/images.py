"""Passes over a folder of images that are decoded as they are needed.

`data/load=stream` against `bare/images.py`, a Dataset and torch's DataLoader, with as many workers
and batches as large. Both decode with Pillow and normalise by channel. Each side is a process of its
own, which makes some passes and notes the memory after each.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.measure import Comparison, answer, take_turns

SCRIPT = Path(__file__).parent / "bare" / "images.py"
ROUNDS = 2
IMAGES = 20_000
PASSES = 3
BATCH = 64
WORKERS = 2

WORDS = [
    "data/extract=image_folder",
    "data/transform=image",
    "data/load=stream",
    f"data.load.batch_size={BATCH}",
    f"data.load.workers={WORKERS}",
    "data.cache=off",
    "split.test=0",
    "split.valid=0",
    "trainer.device=cpu",
    "tracking=none",
]


def main(rounds: int = ROUNDS, images: int = IMAGES) -> list[Comparison]:
    """Seconds of the passes, and how memory goes on from pass to pass."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "images"
        draw(folder, images)
        words = [str(PASSES), *WORDS, f"data.extract.path={folder}", f"outputs={name}/outputs"]
        ours = [sys.executable, "-m", "benchmarks.passes", *words]
        theirs = [sys.executable, str(SCRIPT), str(folder), str(BATCH), str(WORKERS), str(PASSES)]
        contenders = {"harness": partial(answer, ours), "plain DataLoader": partial(answer, theirs)}
        answers = take_turns(contenders, rounds)
    seen = {cost["images"] for costs in answers.values() for cost in costs}
    if seen != {images}:
        raise RuntimeError(f"a pass is over {images} images, and the contenders made passes over {seen}")
    return compared(answers, images)


def compared(answers: dict[str, list[dict[str, Any]]], images: int) -> list[Comparison]:
    """The contenders' answers as one comparison of time, and one of memory."""
    how = f"{images} JPEGs of 64 x 64, batches of {BATCH}, {WORKERS} workers; {PASSES} passes"
    seconds = {name: [sum(cost["seconds"]) for cost in costs] for name, costs in answers.items()}
    memory = {
        f"{name}, after pass {number + 1}": [cost["megabytes"][number] for cost in costs]
        for name, costs in answers.items()
        for number in reversed(range(PASSES))
    }
    first = f"{next(iter(answers))}, after pass 1"
    notes = ["The training process and its workers together; what they share counts once."]
    return [
        Comparison("passes over a folder of images", "s", "plain DataLoader", 1.0, seconds, [f"{how}."]),
        Comparison("memory, pass after pass", "MB", first, 1.05, memory, notes),
    ]


def draw(folder: Path, images: int) -> None:
    """Smooth random images in ten classes, a folder each."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(images):
        place = folder / f"class-{number % 10}"
        place.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((64, 64), Image.Resampling.BICUBIC).save(place / f"{number:05}.jpg", quality=90)
