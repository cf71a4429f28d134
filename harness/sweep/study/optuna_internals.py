"""Every private interface of Optuna that a sweep uses, with the reason.

Optuna's public `Study` can neither claim a trial for one process nor give it back to the queue, so the trial
queue works on the study's storage, whose methods are public while the way to it is not.
"""

from __future__ import annotations

import optuna
from optuna.pruners import HyperbandPruner
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial


def storage_of(study: optuna.Study) -> BaseStorage:
    """The storage that holds the study."""
    return study._storage


def study_id(study: optuna.Study) -> int:
    """The study's number in its storage."""
    return study._study_id


def trial_id(trial: FrozenTrial) -> int:
    """The trial's number in its storage, which is not its number in the study."""
    return trial._trial_id


def forget_cached_trials(study: optuna.Study) -> None:
    """Lets the next sampler read the trials that other processes ended.

    `Study.ask` clears this cache before each trial; the trial queue creates trials without `ask`.
    """
    study._thread_local.cached_all_trials = None


def initialize_brackets(pruner: HyperbandPruner) -> None:
    """Computes Hyperband's brackets now instead of at its first decision.

    Until then Optuna treats all trials as one bracket, so the points that TPE draws from the trials of a
    bracket would depend on which process draws them.
    """
    pruner._try_initialization(None)  # type: ignore[arg-type]
