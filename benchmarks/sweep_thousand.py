"""Whether the last of thousands of trials costs what the first did: time and memory of trials of one step.

Such a trial trains next to nothing, so that what is left is its own fixed cost: configuration, rows, parts,
folder, journals, model. Beside it stands the queue alone, which gives a trial and takes its result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.measure import Comparison, Unable
from benchmarks.sweeping.trials import Span, spans, sweep
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.study_lock import study_lock
from harness.sweep.study.study_storage import load_or_create, open_storage
from harness.sweep.study.trial_claim import Budget
from harness.sweep.study.trial_queue import TrialQueue

ROUNDS = 1
TRIALS, HUNDRED = 5000, 100
TIME, MEMORY = 1.1, 1.1
"""Aims. Memory is said to be flat; a tenth is for what Python keeps for reuse, and for the study itself."""

_WORDS = [
    "sweep=random",
    "data/extract=iris",
    "model.widths=[8]",
    "trainer.epochs=null",
    "trainer.steps=1",
    "trainer.device=cpu",
    "tracking=none",
    "trainer.optimizer.lr=tag(log,interval(1e-4,1e-1))",
]


@dataclass
class Gauge:
    """The memory of a sweep's process when it came to certain trials, in MB by their number."""

    wanted: Sequence[int]
    found: dict[int, float] = field(default_factory=dict)

    def __call__(self, folder: Path, process: int) -> None:
        """Looks whether their folders are there."""
        for number in self.wanted:
            if number not in self.found and (folder / str(number)).exists():
                self.found[number] = held_by(process)


def main(rounds: int = ROUNDS) -> list[Comparison]:
    """Time and memory of whole trials, and the time of the queue."""
    return [*of_trials(TRIALS, HUNDRED, rounds), of_ledger(TRIALS, HUNDRED, rounds)]


def of_trials(trials: int, some: int, rounds: int) -> list[Comparison]:
    """The last `some` trials against the first, and memory at the end against that after the first."""
    names = _names(some)
    costs: dict[str, list[float]] = {name: [] for name in names}
    memory: dict[str, list[float]] = {f"at trial {trials}": [], f"at trial {some}": []}
    for number in range(rounds):
        gauge = Gauge((some - 1, trials - 1))
        with TemporaryDirectory() as folder:
            words = [*_WORDS, f"sweep.trials={trials}"]
            found = spans(sweep(words, Path(folder), f"bench{number}", gauge))
        for name, seconds in zip(names, ends([span.ended for span in found], some), strict=True):
            costs[name].append(1000 * seconds)
        if len(gauge.found) < 2:
            raise Unable("the sweep's process tells nothing of its memory here")
        for name, at in zip(memory, (trials - 1, some - 1), strict=True):
            memory[name].append(gauge.found[at])
    notes = ["One optimizer step on iris, tracking=none, one worker in the command's own process."]
    return [
        Comparison(f"{trials} trials of one step", "ms per trial", names[1], TIME, costs, notes),
        Comparison(f"memory over {trials} trials of one step", "MB", f"at trial {some}", MEMORY, memory),
    ]


def of_ledger(trials: int, some: int, rounds: int) -> Comparison:
    """A claim and a result, again and again, on a study in a journal."""
    names = _names(some)
    costs: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        with TemporaryDirectory() as folder:
            found = handed_out(Path(folder), trials)
        for name, seconds in zip(names, ends([span.ended for span in found], some), strict=True):
            costs[name].append(1000 * seconds)
    notes = ["No run: a trial is claimed from the study's journal, and completed with a value."]
    return Comparison(f"{trials} trials of the queue alone", "ms per trial", names[1], TIME, costs, notes)


def handed_out(folder: Path, trials: int) -> list[Span]:
    """Each trial's claim and completion."""
    study = load_or_create(open_storage(None, folder), "bench", (Objective("valid/accuracy", "maximize"),))
    queue, found = TrialQueue(study, study_lock(None, folder, "bench")), []
    while True:
        begun = perf_counter()
        claim = queue.claim(Budget(trials=trials))
        if claim is None:
            return found
        queue.complete(claim, [0.5], {"seconds": 0.0})
        found.append(Span(begun, perf_counter()))


def ends(ended: Sequence[float], some: int) -> tuple[float, float]:
    """Seconds per trial of the last `some`, and of the first after one that warms up."""
    return (ended[-1] - ended[-1 - some]) / some, (ended[some] - ended[0]) / some


def held_by(process: int) -> float:
    """What a process has in memory, in MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1000


def _names(some: int) -> tuple[str, str]:
    return f"the last {some}", f"the first {some}"
