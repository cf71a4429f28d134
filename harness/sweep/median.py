"""The median stopping rule: a trial worse than half of the complete ones is stopped."""

from __future__ import annotations

import statistics

import optuna
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState


class Median(BasePruner):
    """Stops a trial whose latest value is worse than the median of the complete ones at the same step.

    After the median stopping rule of Vizier (Golovin et al., KDD 2017). Optuna's `MedianPruner` compares the
    best value of all steps so far, which after a lucky first fold no bad mean over the folds could undo; what
    a trial of ours reports within a training is its best so far already.

    Args:
        n_startup_trials: complete ones, before which no trial is stopped.
        n_warmup_steps: the first step after which a trial may be stopped.
        n_min_trials: complete ones with a value at the step, below which the step decides nothing.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, n_startup_trials: int, n_warmup_steps: int, n_min_trials: int) -> None:
        for name, value, least in (
            ("n_startup_trials", n_startup_trials, 0),
            ("n_warmup_steps", n_warmup_steps, 0),
            ("n_min_trials", n_min_trials, 1),
        ):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        self.n_startup_trials = n_startup_trials
        self.n_warmup_steps = n_warmup_steps
        self.n_min_trials = n_min_trials

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether the trial is to be stopped after its latest step."""
        step = trial.last_step
        if step is None or step < self.n_warmup_steps:
            return False
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        others = [other.intermediate_values[step] for other in complete if step in other.intermediate_values]
        if len(complete) < self.n_startup_trials or len(others) < self.n_min_trials:
            return False
        value, middle = trial.intermediate_values[step], statistics.median(others)
        return value < middle if study.direction is StudyDirection.MAXIMIZE else value > middle
