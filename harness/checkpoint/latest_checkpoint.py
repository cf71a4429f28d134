"""Finds the newest intact checkpoint of a fold, from which its training resumes."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from harness.checkpoint.checkpoint_file import ENDING, DamagedCheckpoint, facts_of, read


class Entry(NamedTuple):
    """A checkpoint file: after `step` optimizer steps; `whole` if `epoch` ended with that step."""

    step: int
    whole: bool
    epoch: int
    path: Path


class LatestCheckpoint(NamedTuple):
    """The newest intact checkpoint of a fold.

    state    as it was written
    entries  this checkpoint and the older ones, in order
    best     the best epoch so far, None before there is one
    damaged  a sentence about skipped checkpoints; None if there are none
    """

    state: Any
    entries: list[Entry]
    best: int | None
    damaged: str | None


def newest(folder: Path, fold: int, digests: Collection[str]) -> LatestCheckpoint | None:
    """Returns the newest intact checkpoint of a folder; None if the folder has no checkpoints.

    Args:
        fold: the number of the fold that it must belong to.
        digests: of configurations and data; the checkpoint must have one of them.

    Raises:
        DamagedCheckpoint: there are checkpoints, but none is intact.
    """
    entries, problems = _readable(folder, fold, digests)
    while entries:
        entry = entries[-1]
        try:
            state, best = read(entry.path), facts_of(entry.path)["best"]
        except (DamagedCheckpoint, OSError) as error:
            problems.append(f"{entry.path.name} is unusable ({error})")
            entries.pop()
            continue
        note = f"{problems[-1]}: resuming from {entry.path.name}." if problems else None
        return LatestCheckpoint(state, entries, best, note)
    if problems:
        raise DamagedCheckpoint(f"no checkpoint in {folder} is intact: {problems[-1]}")
    return None


def left_in(folder: Path, fold: int, digests: Collection[str]) -> tuple[list[Entry], int | None]:
    """Returns the checkpoints of a finished fold, and its best epoch; reads only the headers."""
    entries, _ = _readable(folder, fold, digests)
    return entries, facts_of(entries[-1].path)["best"] if entries else None


def _readable(folder: Path, fold: int, digests: Collection[str]) -> tuple[list[Entry], list[str]]:
    """Returns the checkpoints with a readable header, newest last, and what is wrong with the others."""
    entries: list[Entry] = []
    problems: list[str] = []
    for path in sorted(folder.glob(f"*{ENDING}")):
        try:
            facts = facts_of(path)
        except (DamagedCheckpoint, OSError) as error:
            problems.append(f"{path.name} is unusable ({error})")
            continue
        if facts.get("fold") == fold and facts.get("digest") in digests:
            entries.append(Entry(facts["step"], facts["whole"], facts["epoch"], path))
        else:
            problems.append(f"{path.name} belongs to another training")
    return sorted(entries), problems
