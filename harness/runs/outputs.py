"""The outputs folder: its layout, and how the run or sweep that a user names is found."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.errors import UnknownName, UserError
from harness.core.near_names import near, nearest
from harness.core.user_path import user_path
from harness.runs.journal import JOURNAL
from harness.runs.run_result import Result
from harness.runs.stored_run import EVALUATED, StoredRun
from harness.runs.sweep_folders import SWEEPS, best_number, number_of, recommended_number
from harness.runtime.inner_path import check_tree

LAST = "last"
"""The name for the newest run."""

BEST = "best"
"""`<sweep>/best` names the best trial of a sweep."""

RECOMMENDED = "recommended"
"""`<sweep>/recommended` names its trial to use: the default where no trial is known to be better."""

_CHOSEN = {BEST: best_number, RECOMMENDED: recommended_number}

Fetch = Callable[[str, Path], "tuple[Path, int | None] | None"]
"""(MLflow run id, outputs folder) -> folder and fold of the downloaded run; None: no such run."""


class UnknownRun(UnknownName):
    """No run below the outputs folder has this name.

    Args:
        known: all names of all runs.
        shown: a name for each run and each sweep, which are listed where none of `known` is near.
    """

    def __init__(self, name: str, outputs: Path, known: Iterable[str], shown: Iterable[str]) -> None:
        super().__init__(f"{name} is no run below {outputs}", name, known)
        if not self.known:
            self.remedy = "it has no runs yet: start one with python -m harness"
        elif not nearest(name, self.known):
            self.remedy = near(name, shown)


@dataclass(frozen=True)
class Outputs:
    """An outputs folder, `outputs` by default.

    runs/<name>                         a single run
    sweeps/<name>-<n>/<trial>           a run of a sweep
    sweeps/<name>-<n>/<trial>/seed-<s>  one of several runs of a trial
    """

    root: Path

    @property
    def runs(self) -> Path:
        """The folder of single runs."""
        return self.root / "runs"

    @property
    def sweeps(self) -> Path:
        """The folder of sweeps."""
        return self.root / SWEEPS

    def made(self, folder: Path) -> bool:
        """Whether a folder is inside `runs` or `sweeps`; links are resolved."""
        real = folder.resolve()
        return any(real.is_relative_to(place.resolve()) for place in (self.runs, self.sweeps))

    def journals(self) -> Iterator[Path]:
        """The journals of all runs, trials and their repeats included, in no order."""
        for place in ("runs/*", f"{SWEEPS}/*/*", f"{SWEEPS}/*/*/seed-*"):
            yield from self.root.glob(f"{place}/{JOURNAL}")

    def stored_runs(self) -> Iterator[StoredRun]:
        """All runs, trials and their repeats included, sorted by path."""
        return (StoredRun(path.parent.absolute()) for path in sorted(self.journals()))

    def folder_of(self, result: Result, place: Path) -> Path:
        """The folder of a run that has just ended: the one it was given, or that of the run it resumed."""
        if StoredRun(place).result is not None:
            return place
        journals = sorted(self.journals(), key=lambda path: path.stat().st_mtime, reverse=True)
        found = (path.parent for path in journals if StoredRun(path.parent).result == result)
        return next(found, place)

    def find(self, word: str, fetch: Fetch | None = None) -> StoredRun:
        """Returns the run that a user names.

        A name is the folder of a run or fold, a folder's name below `runs`, `<sweep>/<trial>`,
        `<sweep>/best`, `<sweep>/recommended`, an MLflow run id, the value of `name`, or `last`.

        Args:
            fetch: downloads a run by its MLflow run id if it is in no folder, such as
                `harness.tracking.fetch_run.fetcher()`; None: only folders are searched.

        Raises:
            UnknownRun: there is no such run.
            UserError: several runs have that name, it is a sweep, or the MLflow store does not answer.
            OutsideFolder: a folder from elsewhere contains a link that leaves it.
        """
        run = self._named(word, fetch)
        if not self.made(run.folder):
            check_tree(run.folder)
        return run

    def _named(self, word: str, fetch: Fetch | None) -> StoredRun:
        for place in (user_path(word), self.runs / word, self.sweeps / word):
            if place.is_dir() and (run := _at(place.absolute())):
                return run
        sweep, _, trial = word.rpartition("/")
        if sweep and trial in _CHOSEN:
            return _chosen(self.find_sweep(sweep), trial)
        if sweep and trial.isdecimal() and (folder := self.sweep_folder(sweep)) is not None:
            return _trial(folder, trial)
        if sweep and re.fullmatch(r"fold-\d+", trial):
            return _fold(self._named(sweep, fetch), trial)
        if self.sweep_folder(word) is not None:
            raise UserError(
                f"{word} is a sweep of many runs", f"name one of them: {word}/0, or {word}/{BEST}", value=word
            )
        return self._by_journal(word, fetch)

    def find_sweep(self, word: str) -> Path:
        """Returns the folder of a sweep, named by its path, the folder's name, or `sweep.name` (its newest).

        Raises:
            UserError: there is no such sweep.
        """
        folder = self.sweep_folder(word)
        if folder is None:
            names = [path.name for path in self.sweeps.glob("*") if path.is_dir()]
            raise UnknownName(f"{word} is no sweep below {self.sweeps}", word, names)
        return folder

    def single(self) -> list[StoredRun]:
        """Returns the runs that are neither trials nor evaluations, oldest first."""
        runs = [
            run
            for run in self.stored_runs()
            if run.folder.parent.name == "runs" and run.begun and EVALUATED not in run.tags
        ]
        return sorted(runs, key=lambda run: run.start["time"])

    def sweep_folder(self, word: str) -> Path | None:
        """Returns the folder of a sweep, named as in `find_sweep`; None if there is no such sweep."""
        for place in (user_path(word), self.sweeps / word):
            if place.is_dir() and not _at(place.absolute()) and _holds_trials(place):
                return place.absolute()
        numbers = {
            number: path
            for path in self.sweeps.glob("*")
            if (number := number_of(path.name, word)) is not None and path.is_dir()
        }
        return numbers[max(numbers)].absolute() if numbers else None

    def _by_journal(self, word: str, fetch: Fetch | None) -> StoredRun:
        """Finds a run by its MLflow id, by the value of `name`, or as the newest."""
        known = list(self.stored_runs())
        for run in known:
            for key, id in ({} if run.state is None else run.state.runs).items():
                if id == word:
                    number = key.removeprefix("fold-")
                    return _of_number(run, int(number)) if number.isdecimal() else StoredRun(run.folder)
        begun = [run for run in known if run.begun]
        named = sorted((run for run in begun if run.name == word), key=lambda run: run.start["time"])
        if len(named) == 1:
            return named[0]
        if named:
            raise UserError(
                f"{len(named)} runs are called {word}, the newest of them {named[-1].label}",
                "name the one you mean by its folder",
                value=word,
            )
        if word == LAST and (single := self.single()):
            return single[-1]
        fetched = None if fetch is None else fetch(word, self.root)
        if fetched is not None:
            return StoredRun(*fetched, foreign=True)
        names = Counter(run.name for run in begun)
        shown = {_shown(run, names) for run in known}
        raise UnknownRun(word, self.root, {*shown, *(run.label for run in known)}, shown)


def may_move(word: str) -> bool:
    """Whether a name may be that of another run when it is typed again."""
    return word == LAST or word.rpartition("/")[2] in _CHOSEN


def _shown(run: StoredRun, names: Counter[str]) -> str:
    """A name for a run in a list: its own if no other has it; for all trials of a sweep that of the best."""
    if run.folder.parent.name != "runs":
        return f"{run.label.partition('/')[0]}/{BEST}"
    return run.name if run.begun and names[run.name] == 1 else run.label


def _fold(run: StoredRun, name: str) -> StoredRun:
    if not (run.folder / name).is_dir():
        known = [path.name for path in run.folder.glob("fold-*")]
        raise UnknownName(f"{run.label} has no {name}", name, known)
    return _of_number(run, int(name.removeprefix("fold-")))


def _of_number(run: StoredRun, fold: int) -> StoredRun:
    if run.networks is not None:
        name = f"fold-{fold}"
        raise UserError(
            f"{name} of {run.label} is one network of an ensemble of {run.networks} (split.ensemble), which "
            "predict by their mean",
            f"name {run.label}, or the network by its folder, {run.folder / name / 'model'}",
        )
    return replace(run, fold=fold)


def _at(place: Path) -> StoredRun | None:
    """Returns the run in a folder, or the fold of the run in the folder above."""
    if (place / JOURNAL).exists():
        return StoredRun(place) if not _is_sweep(place) else None
    if place.name == "model":
        place = place.parent
        if (place / JOURNAL).exists():
            return StoredRun(place)
    word, _, number = place.name.partition("-")
    if word == "fold" and number.isdecimal() and (place.parent / JOURNAL).exists():
        return _of_number(StoredRun(place.parent), int(number))
    return None


def _is_sweep(folder: Path) -> bool:
    """Whether a folder with a journal is a sweep's: it has one for its parent run in MLflow."""
    return folder.parent.name == SWEEPS or not (folder / "config.yaml").exists()


def _holds_trials(place: Path) -> bool:
    return place.parent.name == SWEEPS or any(entry.name.isdigit() for entry in place.iterdir())


def _chosen(sweep: Path, word: str) -> StoredRun:
    number = _CHOSEN[word](sweep)
    if number is None:
        raise UserError(
            f"{sweep.name} has no best trial (yet)", f"name a trial by its number, such as {sweep.name}/0"
        )
    return _trial(sweep, str(number))


def _trial(sweep: Path, number: str) -> StoredRun:
    folder = sweep / number
    if (folder / JOURNAL).exists():
        return StoredRun(folder)
    repeats = sorted(path.parent for path in folder.glob(f"seed-*/{JOURNAL}"))
    if repeats:
        raise UserError(
            f"trial {number} of {sweep.name} was run {len(repeats)} times, with as many seeds",
            f"name one, such as {sweep.name}/{number}/{repeats[0].name}",
        )
    known = [entry.name for entry in sweep.iterdir() if entry.name.isdigit()]
    raise UnknownName(f"{sweep.name} has no trial {number}", number, known)
