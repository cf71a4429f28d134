"""What a trial costs where trials are trained as one: against bare Optuna, which trains one after another.

The network, the rows and the loop by hand are those of `sweep_overhead`, with batches of 64 and of 16 rows.
Counted is the CPU time, user and system, of whole commands and of all their processes, because other
processes of the machine change it little. A command of one trial is taken off, so that imports, preflight and
the closing of a sweep do not count. The contenders take turns. What `fuse=auto` chooses depends on no time.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Comparison
from benchmarks.sweep_overhead import BARE, REFERENCE, WORDS, write
from benchmarks.sweeping.trials import run, sweep

ROUNDS = 1
TRIALS = 64


@dataclass(frozen=True)
class Work:
    """How long each training is, of batches of which size, the aim, and the measured values of `fuse`."""

    epochs: int
    batch: int
    aim: float
    ways: tuple[str, ...] = ("auto", "off")


GRID = [Work(40, 64, 0.5), Work(200, 64, 0.5, ("auto",)), Work(40, 16, 0.3)]


def main(rounds: int = ROUNDS) -> list[Comparison]:
    """One comparison for each length and size of batches."""
    return [compare(work, TRIALS, rounds) for work in GRID]


def compare(work: Work, trials: int, rounds: int) -> Comparison:
    """Seconds per trial of both ways of ours, and of the loop by hand."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "rows.npz")
        contenders = {f"fuse={fuse}": partial(with_harness, work, folder, fuse) for fuse in work.ways}
        contenders[REFERENCE] = partial(by_hand, work, folder)
        costs: dict[str, list[float]] = {contender: [] for contender in contenders}
        for _ in range(rounds):
            for contender, train in contenders.items():
                costs[contender].append(each(train, trials))
    what = f"{trials} trials of {work.epochs} epochs, batches of {work.batch}"
    notes = ["sweep=random, tracking=none, one worker, one thread; CPU time without that of one trial."]
    return Comparison(what, "CPU s per trial", REFERENCE, work.aim, costs, notes)


def with_harness(work: Work, folder: Path, fuse: str, trials: int) -> None:
    """A sweep with one worker, in the command's own process."""
    rates = "trainer.optimizer.lr=tag(log,interval(1e-4,1e-1))"
    size = [f"trainer.epochs={work.epochs}", f"data.load.batch_size={work.batch}", f"fuse={fuse}"]
    own = [word for word in WORDS if "batch_size" not in word]
    words = ["sweep=random", f"sweep.trials={trials}", rates, *own, *size, "tracking=none"]
    sweep(words, folder, f"bench-{fuse}-{trials}")


def by_hand(work: Work, folder: Path, trials: int) -> None:
    """`study.optimize` in memory, with all scores at each epoch."""
    words = [folder / "rows.npz", folder / "spans.txt", trials, work.epochs, "memory", "all", work.batch]
    run([sys.executable, "-W", "ignore", str(BARE / "optimize.py"), *map(str, words)], folder)


def each(train: Callable[[int], object], trials: int) -> float:
    """CPU seconds of a trial beyond the first of a command."""
    one = cpu_of(lambda: train(1))
    return (cpu_of(lambda: train(trials)) - one) / (trials - 1)


def cpu_of(command: Callable[[], object]) -> float:
    """CPU seconds of the processes that a call starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
