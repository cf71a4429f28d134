"""A folder in an outputs folder that may be removed, with its age, state, scores and size."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from harness.runs.journal import JOURNAL, read
from harness.runs.stored_run import EVALUATED, StoredRun
from harness.runs.sweep_folders import SWEEPS, best_number, read_result

Kind = Literal["run", "sweep", "trial", "checkpoints", "cache", "empty", "rest"]


@dataclass(frozen=True)
class Entry:
    """A folder as a whole.

    kind   "rest" is a folder whose removal was interrupted
    path   absolute; never a link
    time   ms since 1970, when it was last written to
    state  of a run or sweep: finished, pruned, failed or interrupted; else ""
    scores of a run the means by full name; of a sweep those of its best trial
    runs   the runs in it
    evaluates  of an evaluation, the folder in `runs` or `sweeps` of what it is of; else None
    """

    kind: Kind
    path: Path
    time: int
    state: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    runs: tuple[StoredRun, ...] = ()
    evaluates: Path | None = None

    @cached_property
    def size(self) -> int:
        """Bytes of all files in it; links count as links."""
        total = 0
        for folder, _, files in os.walk(self.path):
            for name in files:
                try:
                    total += os.lstat(os.path.join(folder, name)).st_size
                except OSError:
                    continue  # removed meanwhile
        return total


def run_entry(logged: StoredRun, kind: Kind = "run") -> Entry:
    """A single run, or a trial, with all that is in its folder."""
    return Entry(
        kind, logged.folder, _last(logged), _state(logged), _means(logged), (logged,), _evaluated(logged)
    )


def _evaluated(logged: StoredRun) -> Path | None:
    """The run, or the sweep of the trial, that an evaluation is of."""
    tags = logged.tags if logged.begun else {}
    if EVALUATED not in tags:
        return None
    folder = Path(tags.get("evaluated.folder", ""))
    return next(
        (place for place in (folder, *folder.parents) if place.parent.name in ("runs", SWEEPS)), folder
    )


def sweep_entry(folder: Path) -> Entry:
    """Returns a sweep with all its trials; its age is that of the newest trial."""
    runs = tuple(StoredRun(path.parent) for path in sorted(_trials(folder)))
    content, number = read_result(folder), str(best_number(folder))
    scores = next((_means(run) for run in runs if run.folder.name == number), {})
    if (folder / JOURNAL).exists():  # its own, for its parent run in MLflow
        runs = (*runs, StoredRun(folder))
    time = max(map(_last, runs), default=folder.stat().st_mtime_ns // 1_000_000)
    state = "interrupted" if content is None else str(content["status"])
    return Entry("sweep", folder, time, state, scores, runs)


def folder_entry(kind: Kind, path: Path) -> Entry:
    """A folder that is no run."""
    return Entry(kind, path, path.stat().st_mtime_ns // 1_000_000)


def _trials(folder: Path) -> Iterator[Path]:
    for place in ("*", "*/seed-*"):
        yield from folder.glob(f"{place}/{JOURNAL}")


def _last(logged: StoredRun) -> int:
    events = read(logged.folder)[0]
    return int(events[-1]["time"]) if events else logged.folder.stat().st_mtime_ns // 1_000_000


def _state(logged: StoredRun) -> str:
    """Returns the status in its result; "interrupted" for a killed run."""
    return "interrupted" if logged.result is None else logged.result.status


def _means(logged: StoredRun) -> dict[str, float]:
    scores = {} if logged.result is None else logged.result.scores
    return {name: summary["mean"] for name, summary in scores.items() if summary["mean"] is not None}


def known_scores(entries: Iterable[Entry]) -> list[str]:
    """Returns the names of all scores, in the order in which they first occur."""
    return list(dict.fromkeys(name for entry in entries for name in entry.scores))
