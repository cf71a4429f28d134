"""Logged: a run that was made before, as its folder tells it, and how a user names one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from harness.core.errors import UserError, near
from harness.runs.bundle_files import FACTS
from harness.runs.journal import JOURNAL, Event, journals, read
from harness.runs.run_result import Result
from harness.runs.sweep_folders import SWEEPS, number_of
from harness.runs.tracking_state import State

LAST = "last"
"""The word for the newest run."""

EVALUATED = "evaluated.run"
"""The tag of an evaluation: of which run it is, which itself trained nothing."""

BEST = "best"
"""Behind a sweep's name, the word for its best trial."""

Fetch = Callable[[str, Path], "tuple[Path, int | None] | None"]
"""(MLflow run id, outputs folder) -> folder and fold of the downloaded run; None: no such run."""

_RESULT = "result.json"
_CONFIG = "config.yaml"
_PACKAGES = "packages.txt"


@dataclass(frozen=True)
class Logged:
    """A run that was made before; nothing is read before it is asked for.

    folder   of the run
    fold     the number of the one fold that was named; None: the run as a whole
    foreign  whether it was fetched from a store, so that nobody here has written its configuration
    """

    folder: Path
    fold: int | None = None
    foreign: bool = False

    @property
    def label(self) -> str:
        """The shortest word that finds it: its folder's name, `<sweep>/<number>` of a trial."""
        own, above = self.folder.name, self.folder.parent
        if above.parent.parent.name == SWEEPS:  # one of a trial's repeats
            own, above = f"{above.name}/{own}", above.parent
        if above.parent.name == SWEEPS:
            own = f"{above.name}/{own}"
        return own if self.fold is None else f"{own}/fold-{self.fold}"

    @cached_property
    def events(self) -> list[Event]:
        """The lines of its journal."""
        return read(self.folder)[0]

    @cached_property
    def start(self) -> Event:
        """The last `start` of the run itself: name, parameters, tags, inputs.

        Raises:
            UserError: the run never began.
        """
        found = [event for event in self.events if event["event"] == "start" and event["run"] == ""]
        if not found:
            raise UserError(f"{self.folder} holds no run that has begun; name another.")
        return found[-1]

    @property
    def name(self) -> str:
        """What the user or the harness called it; several runs may share it."""
        return str(self.start["name"])

    @property
    def tags(self) -> dict[str, str]:
        """`git.commit`, `data.digest` and the like."""
        return dict(self.start["tags"])

    @cached_property
    def config(self) -> DictConfig:
        """Its `config.yaml`: resolved, but for `${oc.env:…}`; what was secret is `***`.

        Raises:
            UserError: it is gone.
        """
        try:
            loaded = OmegaConf.load(self.folder / _CONFIG)
        except OSError:
            raise UserError(
                f"{self.folder / _CONFIG} is gone, and with it what the run was; name another."
            ) from None
        assert isinstance(loaded, DictConfig)
        return loaded

    @cached_property
    def result(self) -> Result | None:
        """None of a run that is at work, or was killed."""
        try:
            return Result.read(self.folder / _RESULT)
        except FileNotFoundError:
            return None

    @cached_property
    def packages(self) -> dict[str, str]:
        """Distribution -> version, as installed when it ended; {} where it did not."""
        try:
            lines = (self.folder / _PACKAGES).read_text(encoding="utf-8").splitlines()
        except OSError:
            return {}
        return dict(line.split("==", 1) for line in lines if "==" in line)

    @cached_property
    def state(self) -> State | None:
        """Where in MLflow it is; None of one that was not tracked."""
        return State.load(self.folder)

    @property
    def mlflow_id(self) -> str | None:
        """MLflow's id of the run, or of the fold that was named."""
        known = {} if self.state is None else self.state.runs
        return known.get("" if self.fold is None else f"fold-{self.fold}")

    @cached_property
    def models(self) -> dict[int, Path]:
        """The folders of the kept models by the number of their fold; where one fold was named, its own."""
        alone = self.folder / "model"
        found = {0: alone} if (alone / FACTS).exists() else {}
        for path in self.folder.glob(f"fold-*/model/{FACTS}"):
            number = path.parent.parent.name.removeprefix("fold-")
            if number.isdecimal():
                found[int(number)] = path.parent
        if self.fold is not None:
            found = {number: path for number, path in found.items() if number == self.fold}
        return dict(sorted(found.items()))

    @property
    def model(self) -> Path:
        """The folder of what stands for the run: its refit on all rows, else its ensemble, else its only one.

        Raises:
            UserError: it has none, or several and nothing that stands for them.
        """
        if self.fold is None:
            for name in (REFIT, ENSEMBLE):
                if (self.folder / name / FACTS).exists():
                    return self.folder / name
        if len(self.models) > 1:
            raise UserError(
                f"{self.label} has {len(self.models)} models, one per fold; name one of them, such as "
                f"{self.label}/fold-{next(iter(self.models))}, or put them together with --ensemble."
            )
        if not self.models:
            raise UserError(
                f"{self.label} has no model, which a run keeps when it is finished; name a finished run."
            )
        return next(iter(self.models.values()))


REFIT, ENSEMBLE = "refit", "ensemble"
"""Folders, below a run of several folds, of the models that stand for all of them."""


def find(word: str, outputs: Path, fetch: Fetch | None = None) -> Logged:
    """The run that a user means.

    It may be named by its folder or a fold's, by the folder's name below `<outputs>/runs`, as
    `<sweep>/<trial>` or `<sweep>/best`, by its MLflow run id, by the name that it was given, or as `last`.

    Args:
        fetch: downloads the run of an MLflow run id that no folder has, such as
            `harness.tracking.fetch_run.fetcher()`; None: only folders are searched.

    Raises:
        UserError: there is none, several have that name, it is a sweep, or the store is away.
    """
    for place in (Path(word).expanduser(), outputs / "runs" / word, outputs / SWEEPS / word):
        if place.is_dir() and (found := _at(place.absolute())):
            return found
    sweep, _, trial = word.rpartition("/")
    if sweep and trial == BEST:
        return _best(find_sweep(sweep, outputs))
    if sweep and trial.isdecimal() and (folder := _sweep(sweep, outputs)) is not None:
        return _trial(folder, trial)
    if sweep and re.fullmatch(r"fold-\d+", trial):
        return _fold(find(sweep, outputs, fetch), trial)
    if _sweep(word, outputs) is not None:
        raise UserError(f"{word} is a sweep of many runs; name one of them: {word}/0, or {word}/{BEST}.")
    return _by_what_it_tells(word, outputs, fetch)


def _fold(logged: Logged, name: str) -> Logged:
    if not (logged.folder / name).is_dir():
        known = [path.name for path in logged.folder.glob("fold-*")]
        raise UserError(f"{logged.label} has no {name}; {near(name, known)}")
    return replace(logged, fold=int(name.removeprefix("fold-")))


def find_sweep(word: str, outputs: Path) -> Path:
    """The folder of a sweep, named by its folder, the folder's name, or `sweep.name`: the newest of these.

    Raises:
        UserError: there is none.
    """
    folder = _sweep(word, outputs)
    if folder is None:
        names = [path.name for path in (outputs / SWEEPS).glob("*") if path.is_dir()]
        raise UserError(f"{word} is no sweep below {outputs / SWEEPS}; {near(word, names)}")
    return folder


def runs(outputs: Path) -> Iterator[Logged]:
    """All runs below a folder, trials and their repeats included, in order of name."""
    return (Logged(path.parent.absolute()) for path in sorted(journals(outputs)))


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs, by key in the order of first sight, as (old, new); "absent" where one has no such key."""
    keys = dict.fromkeys([*old, *new])
    return {
        key: (old.get(key, "absent"), new.get(key, "absent"))
        for key in keys
        if old.get(key, "absent") != new.get(key, "absent")
    }


def _at(place: Path) -> Logged | None:
    """The run in a folder, or the fold of the run above it."""
    if (place / JOURNAL).exists():
        return Logged(place) if not _is_sweep(place) else None
    if place.name == "model":
        place = place.parent
        if (place / JOURNAL).exists():
            return Logged(place)
    word, _, number = place.name.partition("-")
    if word == "fold" and number.isdecimal() and (place.parent / JOURNAL).exists():
        return Logged(place.parent, int(number))
    return None


def _is_sweep(folder: Path) -> bool:
    """A sweep keeps a journal too, for its parent run in MLflow."""
    return folder.parent.name == SWEEPS or not (folder / _CONFIG).exists()


def _sweep(word: str, outputs: Path) -> Path | None:
    for place in (Path(word).expanduser(), outputs / SWEEPS / word):
        if place.is_dir() and not _at(place.absolute()) and _holds_trials(place):
            return place.absolute()
    numbers = {
        number: path
        for path in (outputs / SWEEPS).glob("*")
        if (number := number_of(path.name, word)) is not None and path.is_dir()
    }
    return numbers[max(numbers)].absolute() if numbers else None


def _holds_trials(place: Path) -> bool:
    return place.parent.name == SWEEPS or any(entry.name.isdigit() for entry in place.iterdir())


def _best(sweep: Path) -> Logged:
    try:
        told: Any = json.loads((sweep / _RESULT).read_text(encoding="utf-8"))
        number = told["best"]["number"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{sweep.name} has no best trial (yet); name a trial by its number, such as {sweep.name}/0."
        ) from None
    return _trial(sweep, str(number))


def _trial(sweep: Path, number: str) -> Logged:
    folder = sweep / number
    if (folder / JOURNAL).exists():
        return Logged(folder)
    repeats = sorted(path.parent for path in folder.glob(f"seed-*/{JOURNAL}"))
    if repeats:
        raise UserError(
            f"trial {number} of {sweep.name} was run {len(repeats)} times, with as many seeds; name one, "
            f"such as {sweep.name}/{number}/{repeats[0].name}."
        )
    known = [entry.name for entry in sweep.iterdir() if entry.name.isdigit()]
    raise UserError(f"{sweep.name} has no trial {number}; {near(number, known)}")


def _by_what_it_tells(word: str, outputs: Path, fetch: Fetch | None) -> Logged:
    """By MLflow's id, its name, or as the last."""
    known = list(runs(outputs))
    for logged in known:
        for key, id in ({} if logged.state is None else logged.state.runs).items():
            if id == word:
                number = key.removeprefix("fold-")
                return Logged(logged.folder, int(number) if number.isdecimal() else None)
    begun = [logged for logged in known if any(event["event"] == "start" for event in logged.events)]
    named = [logged for logged in begun if logged.name == word]
    if len(named) == 1:
        return named[0]
    if named:
        newest = _newest(named)
        raise UserError(
            f"{len(named)} runs are called {word}, the newest of them {newest.label}; name the one you mean "
            "by its folder."
        )
    single = [
        logged for logged in begun if logged.folder.parent.name == "runs" and EVALUATED not in logged.tags
    ]
    if word == LAST and single:
        return _newest(single)
    fetched = None if fetch is None else fetch(word, outputs)
    if fetched is not None:
        return Logged(*fetched, foreign=True)
    words = [*(logged.label for logged in known), *(logged.name for logged in begun)]
    raise UserError(f"{word} is no run below {outputs}; {_near(word, words)}")


def _newest(found: Iterable[Logged]) -> Logged:
    return max(found, key=lambda logged: logged.start["time"])


def _near(word: str, words: list[str]) -> str:
    return near(word, dict.fromkeys(words)) if words else "none has been made there: python -m harness"
