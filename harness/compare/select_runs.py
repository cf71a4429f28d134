"""Finds the runs that are named after `compare`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from harness.core.errors import UserError
from harness.core.near_names import near
from harness.core.user_path import user_path
from harness.runs.journal import JOURNAL
from harness.runs.outputs import Outputs
from harness.runs.stored_run import EVALUATED, StoredRun
from harness.runs.sweep_folders import SWEEPS
from harness.runtime.inner_path import OutsideFolder, check_tree
from harness.runtime.mlflow_environment import experiment_id, experiment_title
from harness.runtime.stored_file import DamagedFile
from harness.tracking.fetch_run import fetcher


def select_runs(words: Sequence[str], outputs: Path) -> list[StoredRun]:
    """The runs in the order of their names, each once; without names all single runs below `outputs`.

    A name is that of a run as for `Outputs.find`, of a sweep (all its trials), a name that several
    runs share, or an experiment. An evaluation is included only by its own name, because it may
    contain rows that its model was trained on.

    Raises:
        UserError: nothing has this name, it is one fold of a run, or there is no run.
    """
    known = _Known(outputs)
    selected = [logged for word in words for logged in known.meant(word)] if words else known.single
    if not selected:
        what = " ".join(words) or outputs / "runs"
        raise UserError(f"there is no run in {what} to compare", "make one with: python -m harness")
    return list({logged.folder: logged for logged in selected}.values())


class _Known:
    """All runs below a folder, which is searched once at most."""

    def __init__(self, outputs: Path) -> None:
        self._outputs = outputs

    @cached_property
    def _begun(self) -> list[StoredRun]:
        return [logged for logged in Outputs(self._outputs).stored_runs() if logged.begun]

    @property
    def single(self) -> list[StoredRun]:
        """The runs that are not trials of a sweep, the oldest first."""
        return Outputs(self._outputs).single()

    def meant(self, word: str) -> list[StoredRun]:
        try:
            return [_whole(Outputs(self._outputs).find(word, fetcher()))]
        except UserError as error:
            if isinstance(error, OneFold | DamagedFile | OutsideFolder):
                raise
            refusal = error
        if repeats := _repeats(word, self._outputs):
            return repeats
        sweep = Outputs(self._outputs).sweep_folder(word)
        if sweep is not None:
            if not Outputs(self._outputs).made(sweep):
                check_tree(sweep)
            return _trials(sweep)
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


def _whole(logged: StoredRun) -> StoredRun:
    if logged.fold is not None:
        raise OneFold(
            f"compare needs whole runs, because it pairs their folds itself, and {logged.label} is one fold",
            f"name {StoredRun(logged.folder).label}",
            value=logged.label,
        )
    return logged


def _trials(sweep: Path) -> list[StoredRun]:
    """In the order of their numbers, repeats of a trial one after the other."""
    folders = [path.parent for place in ("*", "*/seed-*") for path in sweep.glob(f"{place}/{JOURNAL}")]
    trials = [folder for folder in folders if folder.relative_to(sweep).parts[0].isdecimal()]
    order = sorted(trials, key=lambda folder: (int(folder.relative_to(sweep).parts[0]), folder.name))
    return [logged for folder in order if (logged := StoredRun(folder)).begun]


def _repeats(word: str, outputs: Path) -> list[StoredRun]:
    """The runs of one trial with several seeds; [] where the word names none."""
    for place in (user_path(word), outputs / SWEEPS / word):
        folders = sorted(path.parent.absolute() for path in place.glob(f"seed-*/{JOURNAL}"))
        if folders:
            return [logged for folder in folders if (logged := StoredRun(folder)).begun]
    return []


def _names(logged: StoredRun) -> tuple[str, ...]:
    return (logged.name,) if EVALUATED in logged.tags else (logged.name, experiment(logged))


def experiment(logged: StoredRun) -> str:
    """MLflow's experiment as configured, also where the run was not tracked; "" without one."""
    name = str(logged.start["params"].get("tracking.experiment", ""))
    if experiment_id(name) is None:
        return name
    return experiment_title(name) if logged.state is None else logged.state.title
