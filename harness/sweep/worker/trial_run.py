"""Attempt: one go at a trial, from its point to its values."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from harness.core.errors import Pruned, UserError
from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.record.run_record import RESULT
from harness.run import run
from harness.runs.run_result import Result
from harness.runs.trial import Trial
from harness.runtime.distributed import rank, share
from harness.runtime.provenance import command
from harness.runtime.secret_values import Secrets
from harness.stages.deferred_test import run_deferred_test
from harness.sweep.worker.pruning_steps import PruningSteps
from harness.sweep.worker.sweep_spec import SweepSpec


class TimedOut(Exception):
    """A trial took longer than `sweep.timeout`."""


@dataclass(frozen=True)
class TrialAssignment:
    """A trial as all processes that train it together must know it.

    words     the whole command line of its runs, without their seeds
    folder    of the trial, relative to the sweep's
    reported  what was told of it in an earlier attempt, by step
    test      whether it is over, and its test rows are to be scored
    """

    number: int
    words: tuple[str, ...]
    folder: str
    reported: Mapping[int, float] = field(default_factory=dict)
    test: bool = False


Report = Callable[[int, float], bool]
OnEpoch = Callable[[int, int, float | None], None]


def run_trial(spec: SweepSpec, order: TrialAssignment, report: Report, seen: OnEpoch) -> list[Result]:
    """Runs the trial, once per repeat; a run that an earlier attempt finished is not done again.

    Args:
        report: is told a step and its value by rank 0, and says whether the trial is to be pruned.
        seen: is told epoch, epochs and value at the end of each epoch.

    Raises:
        Pruned: it was.
        TimedOut: it took longer than `sweep.timeout`.
        Exception: what befell the run.
    """
    axis = PruningSteps(
        spec.objectives,
        kind=spec.settings.axis,
        units=(spec.folds, spec.settings.repeat),
        report=lambda step, value: share(report(step, value) if rank() == 0 else False),
        seen=seen,
        reported=order.reported,
        epochs=spec.epochs,
    )
    deadline = _Deadline(spec.settings.timeout)
    results = []
    for index in range(spec.settings.repeat):
        axis.repeat(index)
        results.append(_run(spec, order, index, axis, deadline))
    return results


def test(spec: SweepSpec, order: TrialAssignment) -> None:
    """Scores the test rows of a trial that withheld them.

    Raises:
        UserError: its model is gone.
    """
    for index in range(spec.settings.repeat):
        words, cfg, root, trial = _setting(spec, order, index)
        earlier = _earlier(root)
        if earlier is not None and not any(name.startswith("test/") for name in earlier.scores):
            run_deferred_test(cfg, root, _typed(spec, cfg, words), trial)


def _setting(
    spec: SweepSpec, order: TrialAssignment, index: int
) -> tuple[list[str], DictConfig, Path, Trial]:
    """Words, configuration, folder and place in the sweep of the trial's run number `index`."""
    root, words, parent = spec.root / order.folder, [*order.words], ".."
    cfg = spec.composer.task(words)
    if spec.settings.repeat > 1:
        seed = cfg.seed + index
        words.append(f"seed={seed}")
        cfg, root, parent = spec.composer.task(words), root / f"seed-{seed}", "../.."
    if not any(word.startswith("checkpoint.finished=") for word in words):
        cfg.checkpoint.finished = "none"  # the model is kept; every optimizer's memory would fill the disk
    if rank() > 0:
        OmegaConf.update(cfg, "tracking", {"_target_": "harness.tracking.none.Untracked"}, merge=False)
    tags = {"sweep": spec.place.study, "study": spec.place.study, "trial": order.number}
    tests = order.test or spec.settings.test == "all"
    return words, cfg, root, Trial(order.number, parent, tags, tests)


def _typed(spec: SweepSpec, cfg: DictConfig, words: list[str]) -> str:
    secrets = Secrets(cfg, words)
    return command([*spec.options, *(secrets.text(word) for word in words)])


def _run(
    spec: SweepSpec, order: TrialAssignment, index: int, axis: PruningSteps, deadline: _Deadline
) -> Result:
    words, cfg, root, trial = _setting(spec, order, index)
    earlier = _earlier(root)
    if earlier is not None and earlier.status == "finished":
        axis.finished(earlier.scores)
        return earlier
    if earlier is not None and earlier.status == "pruned":
        raise Pruned(earlier.error or "pruned in an earlier attempt")
    OmegaConf.update(cfg, "resume", {"run": "auto", "allow": []}, merge=False)
    root.parent.mkdir(parents=True, exist_ok=True)
    return run(cfg, root, [deadline, axis], command=_typed(spec, cfg, words), trial=trial)


def _earlier(folder: Path) -> Result | None:
    """What a run in that folder came to, if one ended there."""
    found = None
    if rank() == 0:
        with suppress(FileNotFoundError, UserError):
            found = Result.read(folder / RESULT)
    return share(found)


class _Deadline:
    """Ends a trial at the end of the epoch in which its time is up."""

    def __init__(self, minutes: float | None) -> None:
        self._minutes = minutes
        self._until = math.inf if minutes is None else time.monotonic() + 60 * minutes

    def __call__(self, fold: Fold, progress: Progress) -> None:
        del fold
        if share(time.monotonic() > self._until):
            raise TimedOut(
                f"it took longer than sweep.timeout={self._minutes} minutes (epoch {progress.epoch})."
            )
