"""The best trials of a sweep keep their weights (`sweep.keep`) and checkpoints (`sweep.extendable`).

The default configuration keeps its weights beside them: it may be the trial that is recommended.
"""

from __future__ import annotations

import bisect
import math
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from harness.sweep.study.snapshot import STOPPED, Objective, Row, Snapshot, eligible

Keep = int | Literal["all", "best"]

_RUNS = tuple(
    f"{run}{fold}{part}" for run in ("", "seed-*/") for fold in ("", "fold-*/") for part in ("", "pretrain/")
)
_MODELS = tuple(f"{run}{model}" for run in ("", "seed-*/") for model in ("model", "fold-*/model", "ensemble"))


class KeptModels:
    """The best trials of one worker so far; the best of the sweep are among those of its workers.

    Args:
        keep: how many, such as `sweep.keep`.
        objectives: of the sweep; with several, every trial keeps its files until the sweep is closed.
        root: the sweep's folder.
        remove: removes files from the folder of a trial that is no longer one of them; None: its weights.
    """

    def __init__(
        self,
        keep: Keep,
        objectives: Sequence[Objective],
        root: Path,
        remove: Callable[[Path], None] | None = None,
    ) -> None:
        self._remove = remove or remove_models
        self._most = most(keep)
        self._objective = objectives[0] if len(objectives) == 1 else None
        self._root = root
        self._best: list[tuple[float, int, str]] = []  # cost, number and folder, best first

    def admits(self, number: int, scores: Mapping[str, float]) -> bool:
        """Whether a trial with these scores of its only fold is among the best so far."""
        if self._most is None or self._objective is None or self._objective.name not in scores:
            return True
        if len(self._best) < self._most:
            return True
        return self._most > 0 and self._rank(number, scores[self._objective.name]) < self._best[-1]

    def add(self, number: int, values: Sequence[float], folder: str) -> None:
        """Takes a complete trial that may be the best; the weights of the worst one are removed."""
        if self._most is None or self._objective is None:
            return
        bisect.insort(self._best, (*self._rank(number, values[0])[:2], folder))
        for _, _, worst in self._best[self._most :]:
            self._remove(self._root / worst)
        del self._best[self._most :]

    def _rank(self, number: int, value: float) -> tuple[float, int, str]:
        assert self._objective is not None
        cost = self._objective.cost(value)
        return (math.inf if math.isnan(cost) else cost, number, "")


def most(keep: Keep) -> int | None:
    """The number of trials whose weights are kept; None: all."""
    return None if keep == "all" else 1 if keep == "best" else keep


def remove_worse(now: Snapshot, keep: Keep, root: Path, default: Mapping[str, Any] | None = None) -> None:
    """Removes the weights of complete trials that are not among the best, or not on the Pareto front.

    Args:
        default: the point of a trial that keeps them in any case; {} or None: there is none.
    """
    count = most(keep)
    if count is None:
        return
    ranked = sorted(filter(eligible, now.rows), key=lambda row: (now.cost(row), row.number))
    kept = {row.number for row in (now.best if len(now.objectives) > 1 else ranked[:count])}
    for row in now.rows:
        spared = bool(default) and dict(row.point) == dict(default or {})
        if row.state == "complete" and row.number not in kept and not spared:
            remove_models(root / (row.folder or str(row.number)))


def extendable_rows(now: Snapshot, count: int) -> list[Row]:
    """The trials that a sweep would train on, best first: complete ones, then those stopped latest."""
    complete = sorted(filter(eligible, now.rows), key=lambda row: (now.cost(row), row.number))
    stopped = [row for row in now.rows if row.state in STOPPED and row.reports]
    if len(now.objectives) == 1:
        stopped.sort(key=lambda r: (-r.reports[-1][0], now.reported.cost(r.reports[-1][1]), r.number))
    return [*complete, *stopped][:count]


def has_checkpoints(trial: Path) -> bool:
    """Whether a trial has a checkpoint to go on from."""
    return any(any(folder.iterdir()) for folder in checkpoint_folders(trial))


def checkpoint_folders(trial: Path) -> list[Path]:
    """The folders of the checkpoints of all folds and repeats of a trial."""
    from harness.checkpoint.checkpoint_manager import FOLDER as CHECKPOINTS  # it imports torch

    return [folder for run in _RUNS for folder in trial.glob(f"{run}{CHECKPOINTS}")]


def remove_models(trial: Path) -> None:
    """Removes the weights of all folds and repeats of a trial; its scores and curves stay."""
    for folder in _models(trial):
        shutil.rmtree(folder, ignore_errors=True)


def remove_checkpoints(trial: Path) -> None:
    """Removes the checkpoints of all folds and repeats of a trial, from which it could go on."""
    for folder in checkpoint_folders(trial):
        shutil.rmtree(folder, ignore_errors=True)


def _models(trial: Path) -> Iterable[Path]:
    return [folder for pattern in _MODELS for folder in trial.glob(pattern)]
