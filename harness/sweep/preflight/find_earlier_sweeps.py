"""Finds and reads the earlier sweeps that `sweep.from` names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import optuna

from harness.core.error_text import printable
from harness.core.errors import UserError
from harness.runs.outputs import Outputs
from harness.runs.sweep_folders import RESULT, STUDY
from harness.sweep.study.read_snapshot import snapshot
from harness.sweep.study.snapshot import Objective, Snapshot, eligible
from harness.sweep.study.study_storage import aims, open_storage, studies

KEY = "sweep.from"
LAST, AUTO = "last", "auto"

_MOST_SWEEPS = 5
"""Sweeps at most that `sweep.from=auto` takes, the newest first."""


@dataclass(frozen=True)
class FoundSweep:
    """An earlier sweep with a complete trial that improved the same scores."""

    name: str
    folder: Path
    snapshot: Snapshot


def find_earlier_sweeps(
    wanted: str | Sequence[str], outputs: Path, url: str | None, objectives: Sequence[Objective]
) -> list[FoundSweep]:
    """The sweeps that are meant, in the order in which they were named; of `auto` the newest first.

    Nothing of a sweep is executed, and its study is checked when it is read.

    Args:
        wanted: `last`, `auto`, or the folders or names of sweeps.
        outputs: the folder of runs and sweeps.
        url: the database in which the study of a sweep is, if it is in none of the folders.

    Raises:
        UserError: there is no such sweep, none of its trials is complete, or it improved something else.
    """
    if wanted in (LAST, AUTO):
        found = []
        for folder in _newest_first(outputs, url):
            with suppress(UserError):  # another objective, or a damaged file: not what is looked for
                found.append(_read(folder, url, objectives))
            if len(found) == (1 if wanted == LAST else _MOST_SWEEPS):
                break
        if not found and wanted == LAST:
            raise UserError(
                f"{KEY}=last takes the newest sweep that is to {aims(objectives)}, and there is none "
                f"with a complete trial below {outputs}",
                "leave it out, or name a sweep",
                key=KEY,
                value=LAST,
            )
        return found
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    return [_read(Outputs(outputs).find_sweep(name), url, objectives) for name in names]


def _newest_first(outputs: Path, url: str | None) -> Iterator[Path]:
    """The folders of sweeps whose study is there, or in the database."""
    in_database = () if url is None else studies(open_storage(url, outputs))
    results = Outputs(outputs).sweeps.glob(f"*/{RESULT}")
    for result in sorted(results, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        if (result.parent / STUDY).is_file() or result.parent.name in in_database:
            yield result.parent


def _read(folder: Path, url: str | None, objectives: Sequence[Objective]) -> FoundSweep:
    name = printable(folder.name)
    here = (folder / STUDY).is_file()
    if not here and url is None:
        raise UserError(
            f"{KEY}: {folder} holds no {STUDY}",
            "name the folder of a sweep, and with sweep.storage=URL the database where it has one",
            key=KEY,
            value=name,
        )
    storage = open_storage(None if here else url, folder)
    if folder.name not in studies(storage):
        raise UserError(f"{KEY}: there is no study of the sweep {name}", key=KEY, value=name)
    now = snapshot(optuna.load_study(study_name=folder.name, storage=storage))
    if now.objectives != tuple(objectives):
        raise UserError(
            f"{KEY}: the sweep {name} was to {aims(now.objectives)}, and this one is to {aims(objectives)}",
            "name a sweep of the same objective",
            key=KEY,
            value=name,
        )
    if not any(map(eligible, now.rows)):
        raise UserError(
            f"{KEY}: no trial of the sweep {name} is complete", "name another sweep", key=KEY, value=name
        )
    return FoundSweep(name, folder, now)
