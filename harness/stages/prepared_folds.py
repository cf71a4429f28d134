"""The folds of a run, prepared one after another, and their baselines, fitted beside the training.

The fitted baselines need nothing of the training. Where it pays, a process of its own fits them from when a
fold is prepared (`harness.evaluate.baseline_process`), and they are collected when the fold is scored
(`fold_baselines.py`). Scores and notes are the same either way, to the last bit.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from harness.core.fold import Fold
from harness.data.load.resident import ResidentPart
from harness.evaluate.baseline_process import BaselineProcess
from harness.evaluate.fitted_baselines import fit_of
from harness.prepare.experiment import Experiment, prepare
from harness.prepare.plan import Plan
from harness.record.run_start import Start
from harness.runs.trial import Trial
from harness.runtime.process_group import several
from harness.runtime.usable_cores import has_idle_core
from harness.stages.fold_baselines import fitted_numbers, labelled_parts, scored_parts, wanted_baselines

_FEWEST_FOLDS = 5
_FEWEST_NUMBERS = 300_000
"""Folds, or numbers, from which a process of its own pays. It first imports scikit-learn, for a second.
Boosting takes .1 s for a fold of any small table and .5 to .9 s for 300,000 numbers; a linear model alone
takes less than .1 s. docs/log.md has the measurements."""

_PARTS = ("valid", "test")


class PreparedFolds:
    """Prepares the folds of a run; the first one at once, which finds the user's mistakes.

    The baselines of the folds have a process of their own where a core beside torch's threads is idle,
    rows are in memory, boosting is one of the baselines, and there are at least 5 folds or 300,000
    numbers: training rows x features x folds x targets, or x classes from three classes on. Trials, debug
    modes, runs that leave the test rows alone and the processes of torchrun have none.

    Args:
        plan: the plan of the run.
        start: where the run begins.
        trial: its place in a sweep.

    Raises:
        UserError: two parts do not fit each other or the data.
    """

    def __init__(self, plan: Plan, start: Start, trial: Trial | None) -> None:
        self._first: Experiment | None = prepare(plan, start.next(plan.folds))
        alone = (
            trial is not None
            or bool(plan.cfg.get("debug"))
            or several()
            or not has_idle_core(torch.get_num_threads())
        )
        folds = sum(fold.number not in start.done for fold in plan.folds)
        deferred = plan.sealed is not None or start.untested(plan.folds)
        pays = not (alone or deferred) and _pays(self.first, folds)
        self._process = BaselineProcess() if pays else None

    def __enter__(self) -> PreparedFolds:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.close()

    @property
    def first(self) -> Experiment:
        """The first fold to train, until it is taken."""
        assert self._first is not None
        return self._first

    def take(self, plan: Plan, fold: Fold) -> Experiment:
        """A fold, ready to train. The folds are taken in their order; none is held, so that none's data stays
        on the device while the next one trains.

        Raises:
            UserError: as `prepare`.
        """
        experiment, self._first = self._first or prepare(plan, fold), None
        return experiment if self._process is None else _with_baselines(experiment, self._process)


def _pays(first: Experiment, folds: int) -> bool:
    """Whether the baselines of the folds have a process of their own: by their number and size alone."""
    names = wanted_baselines(first, _PARTS, first.cfg.get("baseline", "off")).names
    if folds == 0 or "boosting" not in names:
        return False
    task = first.loaders.task
    trees = 1 if task.kind == "binary" else max(1, len(task.classes), len(task.columns))
    numbers, _ = fitted_numbers(first)
    return folds >= _FEWEST_FOLDS or numbers * folds * trees >= _FEWEST_NUMBERS


def _with_baselines(experiment: Experiment, process: BaselineProcess) -> Experiment:
    """The fold with its baselines under way, if its rows are in memory."""
    wanted = wanted_baselines(experiment, _PARTS, experiment.cfg.get("baseline", "off"))
    if not wanted.names or not isinstance(experiment.loaders.train, ResidentPart):
        return experiment
    rows = labelled_parts(experiment)
    if "train" not in rows:
        return experiment
    scored = scored_parts(experiment, _PARTS)
    task, seed = experiment.loaders.task, experiment.cfg.seed
    fits = [fit_of(name, task, rows, scored, seed) for name in wanted.names]
    return replace(experiment, baselines=process.submit(fits))
