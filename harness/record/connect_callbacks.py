"""Connects the user's callbacks with the run that they may add to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.callbacks.run_callbacks import Callback, RunCallbacks
from harness.callbacks.run_output import FOLDER, RunLog
from harness.record.fold_record import MOST_CHILDREN, key_of
from harness.record.run_record import Record


def start_callbacks(record: Record, callbacks: Sequence[Callback]) -> RunCallbacks:
    """One consumer of all callbacks, which learn that the run starts.

    What they add goes to the journal and the folder of the open record.
    """
    children = len(record.folds) <= MOST_CHILDREN  # of more folds, none has a run of its own in MLflow

    def write_scalar(key: str, name: str, value: float, step: int) -> None:
        run, name = (key, name) if children or not key else ("", f"{key}/{name}")
        # A resumed run passes through some epochs again.
        if not record.start.past.has(run, step, {name: value}):
            record.journal.metrics(run, step, {name: value})

    def list_file(key: str, path: Path) -> None:
        record.journal.artifact(key if children else "", path, FOLDER)

    connected = RunCallbacks(
        callbacks,
        RunLog(record.folder, write_scalar, list_file),
        lambda fold: key_of(fold, len(record.folds)),
        lambda text: record.screen.note(record.secrets.text(text)),
    )
    connected.run_started()
    return connected
