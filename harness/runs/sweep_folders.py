"""The folder names of sweeps, `<name>-<n>`, and which existing sweep a command continues."""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, NotRequired

from annotated_types import Ge
from typing_extensions import TypedDict

from harness.core.override_text import OverrideText
from harness.runs.setting_effects import effects_of
from harness.runtime.stored_file import read_json

SWEEPS = "sweeps"
"""The folder of sweeps below `outputs`."""

STUDY = "study.journal"
"""The file of the Optuna study, in the folder of a sweep without a database."""

RESULT = "result.json"


def stem(name: str | None, words: Iterable[str]) -> str:
    """Returns the sweep's name without its number: `name`, else a digest of the overrides that define it.

    The digest ignores the order of the overrides, and those of the sweep's length, workers, storage and
    tracking.
    """
    if name is not None:
        return name
    own = sorted(word for word in words if names_sweep(word))
    return hashlib.sha256("\n".join(own).encode()).hexdigest()[:8]


def names_sweep(word: str) -> bool:
    """Whether an override is part of the digest that names a sweep."""
    return effects_of(OverrideText.split(word).key.replace("/", ".")).names_sweep


def below(sweeps: Path, stem: str, stored: bool = True) -> dict[int, bool | None]:
    """Returns the numbers of the folders `<stem>-<n>`, and whether each sweep is finished.

    None: the folder has trials of a sweep whose study is stored elsewhere.

    Args:
        stored: whether the study that is looked for is a file in the sweep's folder.
    """
    states: dict[int, bool | None] = {}
    for folder in sweeps.glob(f"{glob.escape(stem)}-*"):
        number = number_of(folder.name, stem)
        if number is not None and folder.is_dir():
            states[number] = finished(folder) if _may_hold(folder, stored) else None
    return states


def _may_hold(folder: Path, stored: bool) -> bool:
    """Whether the study that is looked for may belong to this folder; it may if there is no trial yet."""
    if (folder / STUDY).exists():
        return stored
    return not any(entry.name.isdigit() for entry in folder.iterdir())


def number_of(name: str, stem: str) -> int | None:
    """Returns n of `<stem>-<n>`; None for another name."""
    match = re.fullmatch(rf"{re.escape(stem)}-(\d+)", name)
    return None if match is None else int(match[1])


def newest(numbers: Mapping[int, bool | None]) -> int:
    """Returns the number of the newest sweep if it is unfinished, else the next free number."""
    ours = [number for number, over in numbers.items() if over is not None]
    if ours and not numbers[max(ours)]:
        return max(ours)
    return max(numbers, default=-1) + 1


class _Best(TypedDict):
    number: Annotated[int, Ge(0)]


class _Selection(TypedDict):
    score: str
    trials: int
    expected: float
    ci95: list[float]
    recommended: NotRequired[int]


class _Statement(TypedDict):
    kind: str
    text: str


class _Content(TypedDict):
    status: str
    best: NotRequired[_Best | list[_Best] | None]
    trials: NotRequired[dict[str, int]]
    selection: NotRequired[_Selection | None]
    why: NotRequired[list[_Statement]]


def read_result(folder: Path) -> Any:
    """Returns the content of `result.json` of a sweep; None if it has not ended.

    Raises:
        DamagedFile: the file is not the result of a sweep.
    """
    try:
        return read_json(folder / RESULT, _Content)
    except FileNotFoundError:
        return None


def best_number(folder: Path) -> int | None:
    """Returns the number of the best trial of a sweep; None if there is none, or several.

    Raises:
        DamagedFile: the result of the sweep is damaged.
    """
    content = read_result(folder)
    best = None if content is None else content.get("best")
    return int(best["number"]) if isinstance(best, dict) else None


def recommended_number(folder: Path) -> int | None:
    """Returns the number of the trial of a sweep to use; the best one where the choice has no price.

    Raises:
        DamagedFile: the result of the sweep is damaged.
    """
    content = read_result(folder)
    selection = None if content is None else content.get("selection")
    number = None if selection is None else selection.get("recommended")
    return best_number(folder) if number is None else int(number)


def finished(folder: Path) -> bool:
    """Whether the sweep's result says that it is finished, or all of its trials have ended.

    Raises:
        DamagedFile: the result of the sweep is damaged.
    """
    content = read_result(folder)
    return content is not None and over(content["status"], content.get("trials", {}))


def over(status: object, trials: Mapping[str, int]) -> bool:
    """Whether nothing is left to do, given a result's `status` and the number of trials by state."""
    unfinished = trials.get("waiting", 0) + trials.get("running", 0)
    return status == "finished" or (status == "failed" and bool(trials) and unfinished == 0)
