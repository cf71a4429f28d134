"""Sweep folder: what a sweep is called, `<name>-<n>`, and which of those that exist a command means."""

from __future__ import annotations

import glob
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.core.override_text import OverrideText
from harness.runs.setting_effects import effects_of

SWEEPS = "sweeps"
"""Where they lie below `outputs`."""

STUDY = "study.journal"
"""The study of a sweep that has no database, in the sweep's folder."""

RESULT = "result.json"


def stem(name: str | None, words: Iterable[str]) -> str:
    """The sweep's name without its number: its own, else a digest of the words that make it what it is.

    Neither the order of the words counts, nor how long the sweep goes on, by how many workers, where it is
    stored and what it tells MLflow.
    """
    if name is not None:
        return name
    own = sorted(word for word in words if _names_sweep(word))
    return hashlib.sha256("\n".join(own).encode()).hexdigest()[:8]


def _names_sweep(word: str) -> bool:
    return effects_of(OverrideText.split(word).key.replace("/", ".")).names_sweep


def below(sweeps: Path, stem: str, stored: bool = True) -> dict[int, bool | None]:
    """The numbers of the folders `<stem>-<n>`, and whether each sweep is finished, as its files tell.

    None: the number is taken by trials whose study is kept elsewhere.

    Args:
        stored: whether the study that is looked for is a file of the folder.
    """
    found: dict[int, bool | None] = {}
    for folder in sweeps.glob(f"{glob.escape(stem)}-*"):
        number = number_of(folder.name, stem)
        if number is not None and folder.is_dir():
            found[number] = finished(folder) if _may_hold(folder, stored) else None
    return found


def _may_hold(folder: Path, stored: bool) -> bool:
    """Whether the study that is looked for is this sweep's; one that has no trial yet may become so."""
    if (folder / STUDY).exists():
        return stored
    return not any(entry.name.isdigit() for entry in folder.iterdir())


def number_of(name: str, stem: str) -> int | None:
    """The n of `<stem>-<n>`."""
    match = re.fullmatch(rf"{re.escape(stem)}-(\d+)", name)
    return None if match is None else int(match[1])


def newest(numbers: Mapping[int, bool | None]) -> int:
    """The newest sweep's number where it is unfinished, else the next that is free."""
    ours = [number for number, over in numbers.items() if over is not None]
    if ours and not numbers[max(ours)]:
        return max(ours)
    return max(numbers, default=-1) + 1


def finished(folder: Path) -> bool:
    """Whether the sweep's result says so; one whose trials have all ended is, however they did."""
    try:
        content = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and over(content.get("status"), content.get("trials") or {})


def over(status: object, trials: Mapping[str, int]) -> bool:
    """Whether nothing is left to do, by a result's `status` and how many trials are in which state."""
    left = trials.get("waiting", 0) + trials.get("running", 0)
    return status == "finished" or (status == "failed" and bool(trials) and left == 0)
