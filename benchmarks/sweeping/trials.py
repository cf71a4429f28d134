"""What a sweep left behind: when its trials began and ended, and its curves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep

import optuna
from optuna.trial import FrozenTrial

from benchmarks.measure import ONE_THREAD
from harness.sweep.study.study_storage import open_storage, studies

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true"}

Look = Callable[[Path, int], None]
"""Takes the sweep's folder and the process's number, while the sweep runs."""


@dataclass(frozen=True)
class Span:
    """One trial, in seconds of any clock."""

    begun: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.begun


def sweep(words: Sequence[str], folder: Path, name: str, look: Look | None = None) -> list[FrozenTrial]:
    """Runs `python -m harness -m WORDS` in a folder; its trials by number.

    Raises:
        RuntimeError: it failed; with what it had printed.
    """
    command = [sys.executable, "-m", "harness", "-m", *words, f"sweep.name={name}", "sweep.test=none"]
    run(
        command,
        folder,
        (lambda process: look(folder / f"outputs/sweeps/{name}-0", process)) if look else None,
    )
    place = folder / f"outputs/sweeps/{name}-0"
    storage = open_storage(None, place)
    study = optuna.load_study(study_name=studies(storage)[0], storage=storage)
    return study.get_trials(deepcopy=False)


def run(
    command: Sequence[str],
    folder: Path,
    look: Callable[[int], None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Runs a command on one thread, and looks at it ten times a second.

    Raises:
        RuntimeError: it failed; with what it had printed.
    """
    log = folder / "printed.log"
    with log.open("w") as printed:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **ONE_THREAD, **QUIET, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
        )
        while look is not None and process.poll() is None:
            look(process.pid)
            sleep(0.1)
        status = process.wait()
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}:\n{log.read_text()}")


def spans(trials: Sequence[FrozenTrial]) -> list[Span]:
    """When the trials began and ended, in the order in which they ended.

    Raises:
        RuntimeError: one did not end.
    """
    found = []
    for trial in trials:
        if trial.datetime_start is None or trial.datetime_complete is None:
            raise RuntimeError(f"trial {trial.number} did not end")
        found.append(Span(trial.datetime_start.timestamp(), trial.datetime_complete.timestamp()))
    return sorted(found, key=lambda span: span.ended)


def read_spans(file: Path) -> list[Span]:
    """Returns the spans of trials that `bare/trial.py` recorded in a file."""
    lines = [line.split() for line in file.read_text().splitlines()]
    return sorted((Span(float(begun), float(ended)) for begun, ended in lines), key=lambda span: span.ended)


def pace(found: Sequence[Span]) -> float:
    """Seconds per trial, from the end of the first to the end of the last: start-up and closing are apart."""
    return (found[-1].ended - found[0].ended) / (len(found) - 1)
