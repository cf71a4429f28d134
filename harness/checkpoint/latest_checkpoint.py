"""Newest: the checkpoint from which a fold goes on."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from harness.checkpoint.checkpoint_file import ENDING, Torn, facts_of, read


class Entry(NamedTuple):
    """A checkpoint on the disk: after `step` optimizer steps, `whole` where `epoch` ended with them."""

    step: int
    whole: bool
    epoch: int
    path: Path


class Found(NamedTuple):
    """The newest intact checkpoint of a fold.

    state    as it was written
    entries  it and the older ones, in order
    best     the best epoch so far, None before there is one
    torn     what was passed over because it is torn, in a sentence; None where nothing was
    """

    state: Any
    entries: list[Entry]
    best: int | None
    torn: str | None


def newest(folder: Path, fold: int, digests: Collection[str]) -> Found | None:
    """The newest intact checkpoint of a folder; None where there are none at all.

    Args:
        fold: the number of the fold that it must belong to.
        digests: of configurations and data; it must have been written under one of them.

    Raises:
        Torn: there are checkpoints, and none of them is intact.
    """
    entries, torn = _readable(folder, fold, digests)
    while entries:
        entry = entries[-1]
        try:
            state, best = read(entry.path), facts_of(entry.path)["best"]
        except (Torn, OSError) as error:
            torn.append(f"{entry.path.name} is torn ({error})")
            entries.pop()
            continue
        note = f"{torn[-1]}: going on from {entry.path.name}." if torn else None
        return Found(state, entries, best, note)
    if torn:
        raise Torn(f"no checkpoint in {folder} is intact: {torn[-1]}")
    return None


def left_in(folder: Path, fold: int, digests: Collection[str]) -> tuple[list[Entry], int | None]:
    """The checkpoints of a fold that nobody goes on with, and its best epoch, read off their beginnings."""
    entries, _ = _readable(folder, fold, digests)
    return entries, facts_of(entries[-1].path)["best"] if entries else None


def _readable(folder: Path, fold: int, digests: Collection[str]) -> tuple[list[Entry], list[str]]:
    """The checkpoints with a readable beginning, the newest last, and what is wrong with the others."""
    entries: list[Entry] = []
    torn: list[str] = []
    for path in sorted(folder.glob(f"*{ENDING}")):
        try:
            facts = facts_of(path)
        except (Torn, OSError) as error:
            torn.append(f"{path.name} is torn ({error})")
            continue
        if facts.get("fold") == fold and facts.get("digest") in digests:
            entries.append(Entry(facts["step"], facts["whole"], facts["epoch"], path))
        else:
            torn.append(f"{path.name} is another training's")
    return sorted(entries), torn
