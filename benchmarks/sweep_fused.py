"""What a trial costs where trials are trained as one: against bare Optuna, which trains one after another.

The network, the rows and the loop by hand are those of `sweep_overhead`, with batches of 64 and of 16 rows.
Seconds per trial are those from the beginning of the first trial to the end of the last, divided by all
trials: trials that are trained as one also end together. What `fuse=auto` chooses does not depend on time.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Comparison
from benchmarks.sweep_overhead import BARE, REFERENCE, WORDS, write
from benchmarks.sweeping.trials import Span, read_spans, run, spans, sweep

ROUNDS = 1
TRIALS = 64


@dataclass(frozen=True)
class Work:
    """How long each training is, of batches of which size, and the aim."""

    epochs: int
    batch: int
    aim: float


GRID = [Work(40, 64, 0.5), Work(200, 64, 0.5), Work(40, 16, 0.3), Work(200, 16, 0.3)]


def main(rounds: int = ROUNDS) -> list[Comparison]:
    """One comparison for each length and size of batches."""
    return [compare(work, TRIALS, rounds) for work in GRID]


def compare(work: Work, trials: int, rounds: int) -> Comparison:
    """Seconds per trial of both ways of ours, and of the loop by hand."""
    costs: dict[str, list[float]] = {"fuse=auto": [], "fuse=off": [], REFERENCE: []}
    for _ in range(rounds):
        with TemporaryDirectory() as name:
            folder = Path(name)
            write(folder / "rows.npz")
            for fuse in ("auto", "off"):
                costs[f"fuse={fuse}"].append(with_harness(work, trials, folder, fuse))
            costs[REFERENCE].append(by_hand(work, trials, folder))
    what = f"{trials} trials of {work.epochs} epochs, batches of {work.batch}"
    notes = ["sweep=random, tracking=none, one worker, one thread."]
    return Comparison(what, "s per trial", REFERENCE, work.aim, costs, notes)


def with_harness(work: Work, trials: int, folder: Path, fuse: str) -> float:
    """A sweep with one worker, in the command's own process."""
    rates = "trainer.optimizer.lr=tag(log,interval(1e-4,1e-1))"
    size = [f"trainer.epochs={work.epochs}", f"data.load.batch_size={work.batch}", f"fuse={fuse}"]
    own = [word for word in WORDS if "batch_size" not in word]
    words = ["sweep=random", f"sweep.trials={trials}", rates, *own, *size, "tracking=none"]
    return each(spans(sweep(words, folder, f"bench-{fuse}")))


def by_hand(work: Work, trials: int, folder: Path) -> float:
    """`study.optimize` in memory, with all scores at each epoch."""
    told = folder / "spans.txt"
    words = [folder / "rows.npz", told, trials, work.epochs, "memory", "all", work.batch]
    run([sys.executable, "-W", "ignore", str(BARE / "optimize.py"), *map(str, words)], folder)
    return each(read_spans(told))


def each(found: Sequence[Span]) -> float:
    """Seconds per trial, from the beginning of the first to the end of the last."""
    return (found[-1].ended - min(span.begun for span in found)) / len(found)
