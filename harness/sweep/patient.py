"""Stops a trial that has not improved for some steps, if another pruner agrees."""

from __future__ import annotations

import math

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial


class Patient(BasePruner):
    """Stops a trial that has not become better for some steps, if another pruner agrees.

    Optuna's `PatientPruner` waits until the scores of late have all become *worse* than an earlier one. What
    a trial of ours reports is its best so far, which never becomes worse; here it is enough that it stays.

    Args:
        wrapped_pruner: whose verdict is taken then; None: the trial is stopped.
        patience: steps without a better score.
        min_delta: by how much a score must be better to count.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, wrapped_pruner: BasePruner | None, patience: int, min_delta: float) -> None:
        if patience < 1:
            raise ValueError(f"patience must be at least 1, got {patience}")
        if not (min_delta >= 0 and math.isfinite(min_delta)):
            raise ValueError(f"min_delta must be at least 0, got {min_delta}")
        self.wrapped_pruner = wrapped_pruner
        self.patience = patience
        self.min_delta = min_delta

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether the trial is to be stopped after its latest step."""
        sign = 1.0 if study.direction is optuna.study.StudyDirection.MAXIMIZE else -1.0
        scores = [sign * value for _, value in sorted(trial.intermediate_values.items())]
        if len(scores) <= self.patience:
            return False
        before, since = max(scores[: -self.patience]), max(scores[-self.patience :])
        if since > before + self.min_delta:
            return False
        return self.wrapped_pruner is None or self.wrapped_pruner.prune(study, trial)
