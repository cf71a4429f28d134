"""Reads a study into a snapshot of plain values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from harness.sweep.study.noise_stop import SCORE_ERROR
from harness.sweep.study.optuna_internals import storage_of, study_id
from harness.sweep.study.snapshot import Objective, Row, Snapshot, State
from harness.sweep.study.successive_halving import FROZEN, is_frozen
from harness.sweep.study.sweep_cost import cost_of
from harness.sweep.study.trial_claim import ADDED

OWNER = "harness:owner"
"""The attribute of a trial that holds its current or last worker."""

_STATES: dict[TrialState, State] = {
    TrialState.WAITING: "waiting",
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


class KnownRows:
    """The rows of the trials that have ended, for one who reads a study again and again with equal settings.

    A trial that has ended never changes, and its storage gives the same object each time.
    """

    def __init__(self) -> None:
        self._made: dict[int, tuple[FrozenTrial, Row]] = {}

    def row(self, trial: FrozenTrial, epochs: int | None, sign: float) -> Row:
        """The trial's row, made anew unless the trial had ended when it was made."""
        known = self._made.get(trial.number)
        if known is not None and known[0] is trial:
            return known[1]
        row = _row(trial, epochs, sign)
        if trial.state.is_finished():
            self._made[trial.number] = (trial, row)
        return row


def snapshot(
    study: optuna.Study,
    trials: int | None = None,
    epochs: int | None = None,
    compared: Objective | None = None,
    known: KnownRows | None = None,
) -> Snapshot:
    """The study as it is now.

    Args:
        trials: `sweep.trials`.
        epochs: of a training; steps up to this number are epochs of the first fold.
        compared: the score that trials report, where that is not the objective; the study has it with the
            other sign where its direction differs.
        known: rows from earlier calls with the same `epochs` and `compared`.
    """
    storage, key = storage_of(study), study_id(study)
    names = study.metric_names or []
    directions = [direction.name.lower() for direction in storage.get_study_directions(key)]
    objectives = tuple(Objective(name, way) for name, way in zip(names, directions, strict=False))  # type: ignore[arg-type]
    frozen = storage.get_all_trials(key, deepcopy=False)
    turned = compared is not None and compared.direction != objectives[0].direction
    sign = -1.0 if turned else 1.0
    if trials is not None:
        trials += int(storage.get_study_user_attrs(key).get(ADDED, 0))
    row = _row if known is None else known.row
    return Snapshot(objectives, tuple(row(trial, epochs, sign) for trial in frozen), trials, compared)


def _row(trial: FrozenTrial, epochs: int | None, sign: float) -> Row:
    attributes: dict[str, Any] = trial.user_attrs
    owner = trial.system_attrs.get(OWNER) or {}
    complete, frozen = trial.state is TrialState.COMPLETE, is_frozen(trial)
    # Also of a frozen trial that was pruned at the end of the sweep: it has not used the time in between.
    stopped = trial.system_attrs.get(FROZEN) if frozen or trial.state is TrialState.PRUNED else None
    ended = datetime.fromtimestamp(stopped["at"]) if stopped else trial.datetime_complete
    return Row(
        number=trial.number,
        state="frozen" if frozen else _STATES[trial.state],
        point=trial.params or trial.system_attrs.get("fixed_params", {}),
        values=tuple(trial.values) if complete and trial.values is not None else None,
        reports=tuple((step, sign * value) for step, value in sorted(trial.intermediate_values.items())),
        progress=_progress(trial, epochs),
        worker=owner.get("name") or None,
        error=attributes.get("error") if trial.state is TrialState.FAIL else None,
        feasible=all(value <= 0 for value in trial.constraints.values()) if complete else True,
        folder=attributes.get("folder", str(trial.number)),
        begun=trial.datetime_start,
        ended=ended,
        cost=cost_of(attributes),
        score_error=attributes.get(SCORE_ERROR),
    )


def _progress(trial: FrozenTrial, epochs: int | None) -> tuple[int, int] | None:
    if "epoch" in trial.user_attrs:
        epoch, of = trial.user_attrs["epoch"]
        return epoch, of
    if epochs is None or not trial.intermediate_values:
        return None
    last = max(trial.intermediate_values)
    return (last, epochs) if last <= epochs else None
