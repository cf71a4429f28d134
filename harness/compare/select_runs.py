"""Finds the runs that are named after `compare`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from harness.core.errors import UserError, near
from harness.runs.journal import JOURNAL
from harness.runs.stored_run import EVALUATED, Logged, find, find_sweep, runs
from harness.runs.sweep_folders import SWEEPS
from harness.tracking.fetch_run import fetcher


def select_runs(words: Sequence[str], outputs: Path) -> list[Logged]:
    """The runs in the order of their names, each once; without names all single runs below `outputs`.

    A name is that of a run as for `harness.runs.stored_run.find`, of a sweep (all its trials), a name that
    several runs share, or an experiment. An evaluation is included only by its own name, because it may
    contain rows that its model was trained on.

    Raises:
        UserError: nothing has this name, it is one fold of a run, or there is no run.
    """
    known = _Known(outputs)
    found = [logged for word in words for logged in known.meant(word)] if words else known.single
    if not found:
        what = " ".join(words) or outputs / "runs"
        raise UserError(f"there is no run in {what} to compare", "make one with: python -m harness")
    return list({logged.folder: logged for logged in found}.values())


class _Known:
    """All runs below a folder, which is searched once at most."""

    def __init__(self, outputs: Path) -> None:
        self._outputs = outputs

    @cached_property
    def _begun(self) -> list[Logged]:
        return [logged for logged in runs(self._outputs) if begun(logged)]

    @property
    def single(self) -> list[Logged]:
        """The runs that are not trials of a sweep, the oldest first."""
        alone = [
            logged
            for logged in self._begun
            if logged.folder.parent.name == "runs" and EVALUATED not in logged.tags
        ]
        return sorted(alone, key=lambda logged: logged.start["time"])

    def meant(self, word: str) -> list[Logged]:
        try:
            return [_whole(find(word, self._outputs, fetcher()))]
        except UserError as error:
            if isinstance(error, OneFold):
                raise
            refusal = error
        if repeats := _repeats(word, self._outputs):
            return repeats
        try:
            return _trials(find_sweep(word, self._outputs))
        except UserError:
            pass
        named = [logged for logged in self._begun if word in _names(logged)]
        if not named and "/" in word:  # for example a trial that its sweep does not have
            raise refusal
        if not named:
            raise UserError(
                f"{word} is not a run, sweep or experiment below {self._outputs}",
                near(word, self._words()),
                value=word,
            )
        return named

    def _words(self) -> set[str]:
        own = {word for run in self._begun for word in (run.label, run.name, experiment(run))}
        sweeps = {path.name for path in (self._outputs / SWEEPS).glob("*") if path.is_dir()}
        return (own | sweeps) - {""}


class OneFold(UserError):
    """A fold was named where whole runs are compared."""


def _whole(logged: Logged) -> Logged:
    if logged.fold is not None:
        raise OneFold(
            f"compare needs whole runs, because it pairs their folds itself, and {logged.label} is one fold",
            f"name {Logged(logged.folder).label}",
            value=logged.label,
        )
    return logged


def _trials(sweep: Path) -> list[Logged]:
    """In the order of their numbers, repeats of a trial one after the other."""
    folders = [path.parent for place in ("*", "*/seed-*") for path in sweep.glob(f"{place}/{JOURNAL}")]
    trials = [folder for folder in folders if folder.relative_to(sweep).parts[0].isdecimal()]
    order = sorted(trials, key=lambda folder: (int(folder.relative_to(sweep).parts[0]), folder.name))
    return [logged for folder in order if begun(logged := Logged(folder))]


def _repeats(word: str, outputs: Path) -> list[Logged]:
    """The runs of one trial with several seeds; [] where the word names none."""
    for place in (Path(word).expanduser(), outputs / SWEEPS / word):
        folders = sorted(path.parent.absolute() for path in place.glob(f"seed-*/{JOURNAL}"))
        if folders:
            return [logged for folder in folders if begun(logged := Logged(folder))]
    return []


def _names(logged: Logged) -> tuple[str, ...]:
    return (logged.name,) if EVALUATED in logged.tags else (logged.name, experiment(logged))


def begun(logged: Logged) -> bool:
    """Whether its journal has the start of the run."""
    return any(event["event"] == "start" and event["run"] == "" for event in logged.events)


def experiment(logged: Logged) -> str:
    """MLflow's experiment as configured, also where the run was not tracked; "" without one."""
    return str(logged.start["params"].get("tracking.experiment", ""))
