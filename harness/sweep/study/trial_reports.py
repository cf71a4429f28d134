"""What a process reports of the trials that it has claimed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import optuna
from optuna.trial import TrialState

from harness.sweep.study.journal_storage import together
from harness.sweep.study.read_snapshot import OWNER
from harness.sweep.study.study_workers import Identity, StudyWorkers
from harness.sweep.study.trial_claim import Claim, LostOwnership, is_exempt

Lock = Callable[[], AbstractContextManager[None]]

# Attributes of trials. Sweeps of earlier versions have them too, so they never change.
DEATHS = "harness:deaths"
PROGRESS = "harness:progress"


class TrialReports(StudyWorkers):
    """Reports of claimed trials, each of which this process must still own.

    Args:
        study: whose storage holds everything.
        lock: mutual exclusion among all processes of the study; it is not re-entrant.
        name, lease, presence: as for `StudyWorkers`.
    """

    def __init__(self, study: optuna.Study, lock: Lock, name: str, lease: float, presence: str) -> None:
        super().__init__(study, name, lease, presence)
        self._lock = lock

    def report(self, claim: Claim, step: int, value: float) -> bool:
        """Stores an intermediate value of the trial and returns whether the pruner would end it here.

        Raises:
            LostOwnership: the trial is another worker's.
        """
        if self.report_all([(claim, step, value)]):
            raise LostOwnership(claim.number)
        if isinstance(self.study.pruner, optuna.pruners.NopPruner):
            return False  # nothing is read again
        trial = self._storage.get_trial(claim.trial_id)
        return self.study.pruner.prune(self.study, trial) and not is_exempt(trial)

    def report_all(self, reports: Sequence[tuple[Claim, int, float]]) -> list[Claim]:
        """Stores intermediate values of several trials: (claim, step, value), in a journal by one append.

        Returns the claims of trials that are another worker's; of these nothing is stored.
        """
        lost = []
        with self._lock(), together(self._storage):
            for claim, step, value in reports:
                try:
                    known = self._require_ownership(claim)
                except LostOwnership:
                    lost.append(claim)
                else:
                    self._storage.set_trial_intermediate_value(claim.trial_id, step, value)
                    self._reset_deaths(claim, known)
        return lost

    def note_progress(self, claim: Claim, epoch: int) -> None:
        """Notes how far a resumed trial has come, where there is no value to report.

        Only an epoch that no earlier worker reached counts as progress: without a checkpoint, a trial that
        always ends its worker passes through the same epochs again and again.

        Args:
            epoch: counted through all folds and repeats of the trial.

        Raises:
            LostOwnership: as `report`.
        """
        with self._lock():
            earlier = (known := self._require_ownership(claim)).get(PROGRESS)
            if earlier is None or epoch > earlier:
                self._storage.set_trial_system_attr(claim.trial_id, PROGRESS, epoch)
            if earlier is not None and epoch > earlier:
                self._reset_deaths(claim, known)

    def _require_ownership(self, claim: Claim) -> dict[str, Any]:
        """Returns the trial's system attributes if it still belongs to this process."""
        trial = self._storage.get_trial(claim.trial_id)
        owner = trial.system_attrs.get(OWNER) or {}
        if trial.state is not TrialState.RUNNING or owner.get("token") != self._token:
            raise LostOwnership(claim.number)
        return trial.system_attrs

    def _reset_deaths(self, claim: Claim, known: Identity) -> None:
        """After a new epoch, workers that were lost before no longer count; `known`: system attributes."""
        if known.get(DEATHS):
            self._storage.set_trial_system_attr(claim.trial_id, DEATHS, 0)
