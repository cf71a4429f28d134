"""How much training it takes to find as good a network on digits, with pruning and without.

Each sweep draws the same points: learning rate, widths and dropout of a small convolutional network. Of each
seed, the score to be reached is the best that all ways have found in the end: that of the least lucky one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from optuna.trial import FrozenTrial

from benchmarks.measure import Comparison
from benchmarks.sweeping.trials import sweep

ROUNDS = 3
"""Seeds."""

PRUNERS = {"ASHA": "asha", "Hyperband": "hyperband", "no pruning": "none"}
AIM = 1.0


@dataclass(frozen=True)
class Size:
    """What is swept."""

    trials: int = 24
    epochs: int = 15
    space: tuple[str, ...] = (
        "trainer.optimizer.lr=tag(log,interval(1e-4,1e-1))",
        "model.widths=[8,16],[16,32],[24,48]",
        "model.dropout=interval(0,0.5)",
    )


@dataclass(frozen=True)
class Effort:
    """What it took to reach a score.

    epochs   that were trained until then
    seconds  of training until then
    """

    epochs: int
    seconds: float


def main(rounds: int = ROUNDS) -> list[Comparison]:
    """Two comparisons: of epochs, and of seconds."""
    return compare(Size(), rounds)


def compare(size: Size, rounds: int) -> list[Comparison]:
    """One sweep for each pruner and seed."""
    words = ["data/extract=digits", "trainer.device=cpu", "tracking=none", *size.space]
    words += ["sweep=random", f"sweep.trials={size.trials}", f"trainer.epochs={size.epochs}"]
    efforts: dict[str, list[Effort]] = {name: [] for name in PRUNERS}
    trained: dict[str, int] = dict.fromkeys(PRUNERS, 0)
    aims = []
    for seed in range(rounds):
        found = {}
        for name, pruner in PRUNERS.items():
            with TemporaryDirectory() as folder:
                chosen = [f"sweep/pruner={pruner}", f"sweep.seed={seed}"]
                found[name] = sweep([*words, *chosen], Path(folder), "bench")
            trained[name] += sum(len(trial.intermediate_values) for trial in found[name])
        aims.append(common(found))
        for name, trials in found.items():
            efforts[name].append(effort(trials, aims[-1]))
    whole = {name: epochs / trained["no pruning"] for name, epochs in trained.items()}
    notes = [
        f"{rounds} seeds, {size.trials} trials each of at most {size.epochs} epochs, the same points for all "
        f"ways. Accuracy to be reached: {', '.join(f'{aim:.4f}' for aim in aims)}. Epochs of whole sweeps: "
        + ", ".join(f"{name} {share:.2f}" for name, share in whole.items())
        + " times those without pruning."
    ]
    work = "to the same validation accuracy on digits"
    epochs = {name: [float(one.epochs) for one in found] for name, found in efforts.items()}
    seconds = {name: [one.seconds for one in found] for name, found in efforts.items()}
    return [
        Comparison(f"training {work}", "epochs", "no pruning", AIM, epochs, notes),
        Comparison(f"time {work}", "s", "no pruning", AIM, seconds),
    ]


def common(found: Mapping[str, Sequence[FrozenTrial]]) -> float:
    """The best score that every way has reached."""
    return min(
        max(value for trial in trials for value in trial.intermediate_values.values())
        for trials in found.values()
    )


def effort(trials: Sequence[FrozenTrial], score: float) -> Effort:
    """Until an epoch of a trial came to the score; trials ran one after the other, by number.

    Raises:
        ValueError: none did.
    """
    epochs, seconds = 0, 0.0
    for trial in trials:
        steps = sorted(trial.intermediate_values.items())
        spent = 0.0 if trial.duration is None else trial.duration.total_seconds()
        for place, (_, value) in enumerate(steps, start=1):
            if value >= score:
                return Effort(epochs + place, seconds + spent * place / len(steps))
        epochs, seconds = epochs + len(steps), seconds + spent
    raise ValueError(f"no trial came to {score}")
