"""Selected entries that must not be removed, with the reasons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harness.clean.mlflow_runs import is_registered
from harness.clean.outputs_entry import Entry
from harness.runs.journal import read
from harness.runs.outputs import Outputs


def spared(entries: list[Entry], outputs: Path, uri: str | None) -> dict[Path, str]:
    """Returns path -> reason for the entries that must not be removed.

    Args:
        uri: the tracking server, where the stored address has a password.

    Raises:
        UserError: MLflow's registry does not say which runs are registered.
    """
    reasons: dict[Path, str] = {}
    starts = list(_starts(outputs))
    stores: dict[str, set[str]] = {}
    for entry in entries:
        if any(run.history.running is not False for run in entry.runs):
            reasons[entry.path] = "it is running"
        elif any(_is_origin(entry, start) for start in starts):
            reasons[entry.path] = "another run started from its weights"
        elif any(is_registered(run.state, stores, uri) for run in entry.runs):
            reasons[entry.path] = "its model is registered"
    return reasons


class _Started(NamedTuple):
    """A run that started from weights: its folder, their file, and the run that learned them."""

    folder: Path
    file: Path
    run: str


def _starts(outputs: Path) -> Iterator[_Started]:
    for journal in Outputs(outputs).journals():
        for event in read(journal.parent)[0]:
            tags = event["tags"] if event["event"] == "start" else {}
            if "weights.file" in tags:
                yield _Started(journal.parent, Path(tags["weights.file"]), tags.get("weights.run", ""))


def _is_origin(entry: Entry, start: _Started) -> bool:
    """Whether a run outside the entry has its weights from it, by their file or by the run's name or id."""
    if start.folder.is_relative_to(entry.path):
        return False
    names = {run.folder.name for run in entry.runs if entry.kind == "run"}
    names |= {id for run in entry.runs if run.state is not None for id in run.state.runs.values()}
    return start.file.is_relative_to(entry.path) or start.run in names
