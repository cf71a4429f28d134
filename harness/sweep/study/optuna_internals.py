"""Every private interface of Optuna that a sweep uses, with the reason.

Optuna's public `Study` can neither claim a trial for one process nor give it back to the queue, so the trial
queue works on the study's storage, whose methods are public while the way to it is not.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Container, Sequence
from typing import Any

import optuna
from optuna.pruners import HyperbandPruner
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

Earlier = Callable[[Sequence[FrozenTrial]], list[FrozenTrial]]


def no_trials(own: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """No earlier trials."""
    del own
    return []


def storage_of(study: optuna.Study) -> BaseStorage:
    """The storage that holds the study."""
    return study._storage


def study_id(study: optuna.Study) -> int:
    """The study's number in its storage."""
    return study._study_id


def trial_id(trial: FrozenTrial) -> int:
    """The trial's number in its storage, which is not its number in the study."""
    return trial._trial_id


def numbered(trial: FrozenTrial, number: int) -> FrozenTrial:
    """The trial with a number, also of its storage: Optuna's own function for making one gives it none."""
    trial.number = trial._trial_id = number
    return trial


def initialize_brackets(pruner: HyperbandPruner) -> None:
    """Computes Hyperband's brackets now instead of at its first decision.

    Until then Optuna treats all trials as one bracket, so the points that TPE draws from the trials of a
    bracket would depend on which process draws them.
    """
    pruner._try_initialization(None)  # type: ignore[arg-type]


def seen_by_samplers(
    study: optuna.Study, is_ended: Callable[[FrozenTrial], bool], earlier: Earlier = no_trials
) -> optuna.Study:
    """The study as samplers see it: waiting trials for which `is_ended` is true are pruned ones, after
    earlier trials.

    Samplers read trials from the study's storage, and no public argument gives them others. The view has no
    cache of trials yet: its sampler reads those that other processes have ended by now.

    Args:
        earlier: the trials of other studies, given those of this one; their numbers are below 0.
    """
    view = copy.copy(study)
    view._storage = _View(study._storage, is_ended, earlier)  # type: ignore[assignment]
    return view


class _View:
    """A storage in which some trials have another state; all else is the storage's own."""

    def __init__(
        self, storage: BaseStorage, is_ended: Callable[[FrozenTrial], bool], earlier: Earlier
    ) -> None:
        self._storage, self._is_ended, self._earlier = storage, is_ended, earlier

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        own = [self._seen(trial) for trial in self._storage.get_all_trials(study_id, deepcopy=deepcopy)]
        trials = [*self._earlier(own), *own]
        return [trial for trial in trials if states is None or trial.state in states]

    def _seen(self, trial: FrozenTrial) -> FrozenTrial:
        if trial.state is not TrialState.WAITING or not self._is_ended(trial):
            return trial
        seen = copy.copy(trial)
        seen.state = TrialState.PRUNED
        return seen
