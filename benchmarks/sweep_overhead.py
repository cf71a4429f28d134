"""What a sweep costs per trial, one trial at a time: against bare Optuna, Ray Tune and Hydra's own sweeper.

A trial trains a small network on breast cancer; the learning rate is drawn at random. Ours is
`python -m harness -m sweep=random …`, which records each trial: configuration, curves, scores, model and
checkpoints, with and without MLflow. The opponent is `study.optimize` around the same loop written by hand
(`bare/trial.py`): network, optimizer, schedule, batches, scores of every epoch and reports to the study are
the same. Between the two stands `study.optimize` around our own trainer.

Ray Tune and the official sweeper with its Optuna 2 run the loop by hand in environments of their own, which
are made when they are first needed, from the configured package index.

Seconds per trial are taken from the end of the first trial to the end of the last: the starting of
processes and the closing of a sweep are not counted, whatever is between two trials is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.measure import Comparison, Unable
from benchmarks.step import assemble, tensors
from benchmarks.sweeping.environment import python_of
from benchmarks.sweeping.trials import pace, read_spans, run, spans, sweep

BARE = Path(__file__).parent / "bare"
ROOT = Path(__file__).parents[1]
ROUNDS = 1
AIM = 1.3
REFERENCE = "study.optimize, in memory"

WORDS = [
    "data/extract=breast_cancer",
    "model.widths=[64,64]",
    "model.dropout=0",
    "data.load.batch_size=64",
    "trainer.device=cpu",
]
_RATES = "tag(log,interval(1e-4,1e-1))"
_ELSEWHERE = {
    "Ray Tune": ("ray", ["ray[tune]==2.60.0"]),
    # Without our Hydra, pip would take the next one's release candidate, with which that sweeper fails.
    "hydra-optuna-sweeper, Optuna 2": (
        "official",
        ["hydra-optuna-sweeper==1.3.0", "optuna<3", f"hydra-core=={version('hydra-core')}"],
    ),
}
"""Who runs in an environment of its own, what that is called, and what is installed in it."""


@dataclass(frozen=True)
class Size:
    """How long a trial is, how many there are, and how many where each takes seconds of its own."""

    epochs: int
    trials: int
    elsewhere: int = 0


WORK = {"trials of 200 epochs": Size(200, 64, 8), "trials of 40 epochs": Size(40, 64)}

Contender = Callable[[], float]


def main(rounds: int = ROUNDS) -> list[Comparison]:
    """One comparison for each length of a trial."""
    return [compare(work, size, rounds) for work, size in WORK.items()]


def compare(work: str, size: Size, rounds: int) -> Comparison:
    """Seconds per trial of everybody. Each is a process, whose first trial warms it up."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "rows.npz")
        contenders = {**ours(size, folder), **by_hand(size, folder)}
        others, notes = elsewhere(size, folder) if size.elsewhere else ({}, [])
        contenders |= others
        costs: dict[str, list[float]] = {contender: [] for contender in contenders}
        for _ in range(rounds):
            for contender, seconds in contenders.items():
                costs[contender].append(seconds())
    notes = [
        f"{size.trials} trials each, one thread, one at a time"
        + (f"; {size.elsewhere} each of the sweepers in environments of their own." if others else "."),
        *notes,
    ]
    return Comparison(f"a sweep on breast cancer, {work}", "s per trial", REFERENCE, AIM, costs, notes)


def write(file: Path) -> None:
    """The rows as the harness shapes and divides them, for the loop by hand."""
    experiment = assemble(WORDS, 0)
    inputs, targets = tensors(experiment)
    valid = experiment.loaders.valid
    if valid is None or valid.targets is None:
        raise ValueError("trials are compared on validation rows")
    others = np.concatenate([batch.inputs.numpy() for batch in valid.ordered()])
    np.savez(
        file, inputs=inputs.numpy(), targets=targets.numpy(), others=others, answers=valid.targets.numpy()
    )


def ours(size: Size, folder: Path) -> dict[str, Contender]:
    """With MLflow and without."""
    return {
        "harness": partial(with_harness, size, folder, []),
        "harness, tracking=none": partial(with_harness, size, folder, ["tracking=none"]),
    }


def by_hand(size: Size, folder: Path) -> dict[str, Contender]:
    """Optuna as we have it, around the loop by hand and around our trainer."""
    bare = partial(with_optuna, size, folder)
    return {
        REFERENCE: partial(bare, "memory", "all"),
        "study.optimize, in a journal": partial(bare, "journal", "all"),
        "study.optimize, in memory, accuracy alone": partial(bare, "memory", "accuracy"),
        "study.optimize around our trainer": partial(around_our_trainer, size, folder),
    }


def elsewhere(size: Size, folder: Path) -> tuple[dict[str, Contender], list[str]]:
    """The sweepers in environments of their own, and a line for each that cannot be had here."""
    programs = {"ray": with_ray, "official": with_official}
    found: dict[str, Contender] = {}
    notes = ["Ray Tune and hydra-optuna-sweeper have environments of their own, which share our torch."]
    for contender, (name, requirements) in _ELSEWHERE.items():
        try:
            python = python_of(name, requirements)
        except Unable as reason:
            notes.append(f"{contender}: not run, {reason}.")
        else:
            found[contender] = partial(programs[name], size, folder, python)
    return found, notes if found else notes[1:]


_names = count()


def _new(folder: Path) -> Path:
    """A folder that is not there yet."""
    place = folder / str(next(_names))
    place.mkdir()
    return place


def with_harness(size: Size, folder: Path, words: Sequence[str]) -> float:
    """A sweep with one worker, in the command's own process."""
    # Trials that are trained as one end together, and the time of those that end first is not counted.
    swept = ["sweep=random", f"sweep.trials={size.trials}", f"trainer.optimizer.lr={_RATES}", "fuse=off"]
    place = _new(folder)
    return pace(spans(sweep([*swept, *WORDS, f"trainer.epochs={size.epochs}", *words], place, "bench")))


def with_optuna(size: Size, folder: Path, storage: str, scores: str) -> float:
    """Storage: "memory" or "journal"; scores: "all" or "accuracy"."""
    place = _new(folder)
    kept = "memory" if storage == "memory" else str(place / "study.journal")
    words = [folder / "rows.npz", place / "spans.txt", size.trials, size.epochs, kept, scores]
    return _by(sys.executable, "optimize.py", words, place)


def around_our_trainer(size: Size, folder: Path) -> float:
    """See `sweeping/inner.py`."""
    place = _new(folder)
    words = [str(place / "spans.txt"), str(size.trials), *WORDS, f"trainer.epochs={size.epochs}"]
    command = [sys.executable, "-m", "benchmarks.sweeping.inner", *words]
    run(command, place, environment={"PYTHONPATH": str(ROOT)})
    return pace(read_spans(place / "spans.txt"))


def with_ray(size: Size, folder: Path, python: Path) -> float:
    """As it comes, but for one processor."""
    place = _new(folder)
    words = [folder / "rows.npz", place / "spans.txt", size.elsewhere, size.epochs, place / "results"]
    return _by(str(python), "ray_tune.py", words, place, {"RAY_AIR_NEW_OUTPUT": "0"})


def with_official(size: Size, folder: Path, python: Path) -> float:
    """As it comes, but for one job at a time and points at random."""
    place = _new(folder)
    words = [
        "-m",
        "hydra/sweeper=optuna",
        "hydra/sweeper/sampler=random",
        "hydra.sweeper.direction=maximize",
        f"hydra.sweeper.n_trials={size.elsewhere}",
        "hydra.sweeper.n_jobs=1",
        f"+data={folder / 'rows.npz'}",
        f"+spans={place / 'spans.txt'}",
        f"+epochs={size.epochs}",
        f"+lr={_RATES}",
    ]
    return _by(str(python), "official.py", words, place)


def _by(
    python: str,
    script: str,
    words: Sequence[object],
    place: Path,
    environment: Mapping[str, str] | None = None,
) -> float:
    command = [python, "-W", "ignore", str(BARE / script), *map(str, words)]
    run(command, place, environment=environment)
    return pace(read_spans(place / "spans.txt"))
