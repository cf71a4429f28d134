"""Selects the entries of an outputs folder that can be removed, before protected ones are excluded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.clean.outputs_entry import Entry, folder_entry, known_scores, run_entry, sweep_entry
from harness.core.errors import UserError
from harness.core.near_names import near
from harness.core.scores import direction
from harness.runs.journal import JOURNAL
from harness.runs.stored_run import StoredRun
from harness.runs.sweep_folders import SWEEPS, best_number, read_result

WHAT = ("runs", "checkpoints", "cache", "trials", "mlflow")
STATES = ("finished", "pruned", "failed", "interrupted")
REMOVED = ".removed"
"""The folder below outputs into which entries are moved before they are deleted."""

_STALE = 24 * 3600 * 1000
"""Milliseconds after which a killed process's unfinished cache entry may go, as in `cache_store`."""


@dataclass(frozen=True)
class Choice:
    """The options of `clean`.

    what    of `WHAT`; empty: only what is certainly useless
    older   the least time in ms since an entry was last written to; None: any age
    keep    how many runs are kept; None: no limit
    by      the score that selects the runs to keep; None: the newest are kept
    states  of a run, of `STATES`; empty: any
    """

    what: tuple[str, ...] = ()
    older: int | None = None
    keep: int | None = None
    by: str | None = None
    states: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for word, known in [(w, WHAT) for w in self.what] + [(s, STATES) for s in self.states]:
            if word not in known:
                option = "--what" if known is WHAT else "--status"
                raise UserError(f"{option} takes {', '.join(known)}, got {word}", near(word, known))
        if self.keep is not None and self.keep < 0:
            raise UserError(f"--keep must be 0 or more runs, got {self.keep}", "give how many are to stay")
        if self.by is not None and self.keep is None:
            raise UserError(f"--by {self.by} says by which score runs are kept", "say how many with --keep N")
        narrow = self.older is not None or self.keep is not None or self.states
        if "runs" in self.what and not narrow:
            raise UserError(
                "--what runs would remove every run", "say which with --older, --keep or --status"
            )
        if "mlflow" in self.what and not {"runs", "trials"} & set(self.what):
            raise UserError(
                "--what mlflow removes the MLflow runs of what goes besides",
                "add runs or trials: --what runs,mlflow",
            )


def chosen(outputs: Path, choice: Choice) -> list[Entry]:
    """Returns the selected entries, oldest first within each kind.

    Raises:
        UserError: no run has the score by which they are to be kept.
    """
    entries: list[Entry] = []
    if not choice.what:
        entries = [*_checkpoints(outputs), *_stale(outputs), *_empty(outputs)]
    if "runs" in choice.what:
        entries += _runs(outputs, choice)
    if "trials" in choice.what:
        entries += _but_the_best(outputs)
    if "checkpoints" in choice.what:
        entries += _checkpoints(outputs)
    if "cache" in choice.what:
        entries += [folder_entry("cache", path) for path in folders(outputs / "cache")]
    entries += [folder_entry("rest", path) for path in folders(outputs / REMOVED)]
    latest = time.time_ns() // 1_000_000 - (choice.older or 0)
    gone = {entry.path for entry in entries}
    return [
        entry
        for entry in entries
        if (entry.time <= latest or entry.kind == "rest") and not gone.intersection(entry.path.parents)
    ]


def folders(place: Path) -> list[Path]:
    """The folders in a folder, absolute; none of them, nor it, is a link."""
    if place.is_symlink() or not place.is_dir():
        return []
    return sorted(path.absolute() for path in place.iterdir() if path.is_dir() and not path.is_symlink())


def all_runs(outputs: Path) -> list[Entry]:
    """Single runs and sweeps as wholes."""
    single = [run_entry(StoredRun(path)) for path in folders(outputs / "runs") if (path / JOURNAL).exists()]
    return single + [sweep_entry(path) for path in folders(outputs / SWEEPS) if any(path.iterdir())]


def _runs(outputs: Path, choice: Choice) -> list[Entry]:
    known = all_runs(outputs)
    stay = _best(known, choice)
    return [
        entry
        for entry in known
        if entry.path not in stay and (not choice.states or entry.state in choice.states)
    ]


def _best(known: list[Entry], choice: Choice) -> set[Path]:
    """Those that `keep` keeps: the newest, or those with the best score; one without it is worse than any.

    An evaluation is not counted, for its score may be one of rows that the run has learned: it stays with
    the run that it is of.
    """
    if choice.keep is None:
        return set()
    all_of_them, by = known, choice.by
    known = [entry for entry in known if entry.evaluates is None]
    if by is None:
        ranked = sorted(known, key=lambda entry: entry.time, reverse=True)
    else:
        names = known_scores(known)
        if by not in names:
            raise UserError(f"no run has the score {by}, by which --keep is to choose", near(by, names))
        having = [entry for entry in known if by in entry.scores]
        better = next((run.direction(by) for entry in having for run in entry.runs), direction(by))
        sign = 1 if better == "minimize" else -1
        ranked = sorted(having, key=lambda entry: sign * entry.scores[by])
    best = {entry.path for entry in ranked[: choice.keep]}
    return best | {entry.path for entry in all_of_them if entry.evaluates in best}


def _checkpoints(outputs: Path) -> list[Entry]:
    """Returns the checkpoints of finished runs, which are never resumed."""
    places = [*folders(outputs / "runs")]
    for sweep in folders(outputs / SWEEPS):
        for trial in folders(sweep):
            places += [trial, *folders(trial)]
    entries = []
    for place in places:
        if (place / JOURNAL).exists() and run_entry(StoredRun(place)).state == "finished":
            paths = [path for folder in (place, *folders(place)) for path in folders(folder)]
            entries += [folder_entry("checkpoints", path) for path in paths if path.name == "checkpoints"]
    return entries


def _stale(outputs: Path) -> list[Entry]:
    """Returns incomplete cache entries of killed processes."""
    entries = [folder_entry("cache", path) for path in folders(outputs / "cache") if path.name[0] == "."]
    return [entry for entry in entries if entry.time < time.time_ns() // 1_000_000 - _STALE]


def _empty(outputs: Path) -> list[Entry]:
    places = [*folders(outputs / "runs"), *folders(outputs / SWEEPS)]
    return [folder_entry("empty", path) for path in places if not any(path.iterdir())]


def _but_the_best(outputs: Path) -> Iterator[Entry]:
    """The trials of finished sweeps, all but the best; of sweeps that have none, nothing."""
    for sweep in folders(outputs / SWEEPS):
        content, best = read_result(sweep), best_number(sweep)
        if best is None:
            continue
        for path in folders(sweep) if content["status"] == "finished" else ():
            if path.name.isdecimal() and path.name != str(best):
                runs = (
                    [path]
                    if (path / JOURNAL).exists()
                    else [p.parent for p in path.glob(f"seed-*/{JOURNAL}")]
                )
                entries = [run_entry(StoredRun(run), "trial") for run in runs]
                if entries:
                    inside = tuple(run for entry in entries for run in entry.runs)
                    yield Entry("trial", path, max(e.time for e in entries), entries[0].state, runs=inside)
