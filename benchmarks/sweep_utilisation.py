"""How much of two workers' time is training, where trials are of uneven length.

Ours take the next trial as soon as they have ended one. Hydra's launchers take trials in batches, and the
sweep waits for the slowest of each: beside ours stands what the same trials would have taken at best in
batches of two, in their order. Each trial is trained alone (`fuse=off`): the seconds of trials that are
trained as one are those of all of them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Comparison
from benchmarks.sweeping.trials import Span, spans, sweep

ROUNDS = 1
WORKERS = 2
TRIALS = 24
AIM = round(1 / 0.95, 3)
"""Utilisation is at least 95 %."""

_SHORTEST, _LONGEST = 100, 800  # epochs
_WORDS = [
    "data/extract=breast_cancer",
    "trainer.device=cpu",
    "tracking=none",
    "data.load.batch_size=64",
    "fuse=off",
]
_OURS, _BATCHES, _ALONE = "harness, 2 workers", "the same in batches of 2", "the trials themselves"


def main(rounds: int = ROUNDS) -> list[Comparison]:
    """One comparison, of seconds of workers."""
    return [compare(lengths(TRIALS, _SHORTEST, _LONGEST), rounds)]


def lengths(trials: int, shortest: int, longest: int) -> list[int]:
    """Epochs of each trial, evenly between both, in an order drawn once."""
    step = (longest - shortest) / (trials - 1)
    found = [round(shortest + step * place) for place in range(trials)]
    random.Random(0).shuffle(found)
    return found


def compare(epochs: Sequence[int], rounds: int) -> Comparison:
    """`WORKERS` times the wall, against the sum of the trials' seconds."""
    costs: dict[str, list[float]] = {_OURS: [], _BATCHES: [], _ALONE: []}
    words = [f"sweep.workers={WORKERS}", f"trainer.epochs={','.join(map(str, epochs))}", *_WORDS]
    for number in range(rounds):
        with TemporaryDirectory() as name:
            found = spans(sweep(words, Path(name), f"bench{number}"))
        costs[_OURS].append(WORKERS * wall(found))
        costs[_BATCHES].append(WORKERS * in_batches(found))
        costs[_ALONE].append(sum(span.seconds for span in found))
    used = {name: sum(costs[_ALONE]) / sum(costs[name]) for name in (_OURS, _BATCHES)}
    notes = [
        f"{len(epochs)} trials of {min(epochs)} to {max(epochs)} epochs on breast cancer. Utilisation, from "
        f"the first beginning to the last end: {used[_OURS]:.1%}, in batches {used[_BATCHES]:.1%}."
    ]
    return Comparison("uneven trials on two workers", "s of workers", _ALONE, AIM, costs, notes)


def wall(found: Sequence[Span]) -> float:
    """Seconds from the first beginning to the last end."""
    return max(span.ended for span in found) - min(span.begun for span in found)


def in_batches(found: Sequence[Span], size: int = WORKERS) -> float:
    """Seconds of the same trials where `size` begin together and the next wait for all of them."""
    seconds = [span.seconds for span in sorted(found, key=lambda span: span.begun)]
    return sum(max(seconds[first : first + size]) for first in range(0, len(seconds), size))
