"""Finds the sweep that a command means, and where it is stored."""

from __future__ import annotations

import shlex
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf

from harness.core.errors import UserError
from harness.core.near_names import near
from harness.core.override_text import OverrideText
from harness.core.resume_setting import AUTO
from harness.runs.new_folder import check_empty
from harness.runs.sweep_folders import (
    RESULT,
    STUDY,
    SWEEPS,
    below,
    finished,
    names_sweep,
    newest,
    number_of,
    read_result,
    stem,
)
from harness.sweep.study.study_lock import LOCK
from harness.sweep.study.sweep_settings import check_name

FINISHED = "harness:finished"
"""The attribute of a study whose sweep is finished."""


@dataclass(frozen=True)
class SweepLocation:
    """Where a sweep is kept.

    folder  of trials, tables and report
    study   its name in the storage, the folder's own
    url     of the database; None: a journal file in the folder
    """

    folder: Path
    study: str
    url: str | None


def find_location(cfg: DictConfig, words: Sequence[str]) -> SweepLocation:
    """The sweep that a command means: the newest one of these words if that is unfinished, else a new one.

    With `resume=SWEEP` that one, finished or not; with `hydra.sweep.dir=FOLDER` the one in that folder. The
    answer is valid until the sweep begins, so a command calls this once.

    Args:
        cfg: the composed multirun, Hydra's node included.
        words: what was typed, in any order.

    Raises:
        UserError: there is no such sweep, two are named, or the database cannot be reached.
    """
    return location_in(_find(cfg, words), cfg.sweep.storage)


def location_in(folder: Path, url: str | None) -> SweepLocation:
    """The sweep that is kept in this folder, or that begins there.

    Args:
        url: `sweep.storage`.

    Raises:
        UserError: the folder holds something else, or the database cannot be reached.
    """
    if not _exists(folder, url):
        remedy = "choose another with hydra.sweep.dir=FOLDER or sweep.name=NAME"
        check_empty(folder, "a sweep", remedy, "hydra.sweep.dir", besides=(STUDY, LOCK))
    return SweepLocation(folder, folder.resolve().name, _absolute(url))


def find_earlier(
    cfg: DictConfig, words: Sequence[str], apart: Collection[str], key: str, aim: str
) -> SweepLocation:
    """The finished sweep that `sweep.extend` or `sweep.ablate` means: that of `resume`, else the newest one.

    Args:
        words: what was typed; the newest sweep is one of these.
        apart: keys in which the commands may differ, `key` among them.
        key: the setting that needs the sweep.
        aim: what it does with a finished sweep, for the error.

    Raises:
        UserError: there is none.
    """
    url, wanted, sweeps = cfg.sweep.storage, cfg.resume.run, Path(cfg.outputs) / SWEEPS
    if wanted not in (None, AUTO):
        folder: Path | None = _named(wanted, cfg)
    else:
        own = _compared(words, apart)
        same = [path for path in sweeps.glob(f"*/{RESULT}") if _words_of(path.parent, apart) == own]
        newest_result = max(same, key=lambda path: path.stat().st_mtime_ns, default=None)
        folder = None if newest_result is None else newest_result.parent
    if folder is None or not _exists(folder, url) or not finished(folder):
        raise UserError(
            f"{key} {aim}, and there is none of "
            f"{'this command below ' + str(sweeps) if folder is None else str(folder)}",
            "name the sweep by resume=SWEEP; the other words are those of its command",
            key=key,
        )
    return SweepLocation(folder, folder.resolve().name, _absolute(url))


def _words_of(folder: Path, apart: Collection[str]) -> set[str] | None:
    """The overrides that define a sweep, from its result; None of one that goes on from an earlier one."""
    content = read_result(folder)
    typed = shlex.split(str((content or {}).get("command", "")))
    words = [word for word in typed if "=" in word]
    keys = {OverrideText.split(word).key for word in words}
    return None if keys & {"sweep.extend", "sweep.ablate"} else _compared(words, apart)


def _compared(words: Iterable[str], apart: Collection[str]) -> set[str]:
    keys = {word: OverrideText.split(word).key for word in words}
    return {word for word, key in keys.items() if key not in apart and names_sweep(word)}


def _absolute(url: str | None) -> str | None:
    """A database's file is meant from where the command was typed, also in a worker that is elsewhere."""
    if url is None:
        return None
    from harness.sweep.study.storage_address import read_address

    return read_address(url).text


def exists(place: SweepLocation) -> bool:
    """Whether a study was begun there."""
    return _exists(place.folder, place.url)


def sweep_state(place: SweepLocation, lease: float) -> Literal["begin", "continue", "join"]:
    """What a command would do there: whether the sweep exists already, and has workers that live.

    Args:
        lease: seconds without a sign of life after which a worker counts as dead.
    """
    if not _exists(place.folder, place.url):
        return "begin"
    import optuna

    from harness.sweep.study.study_lock import study_lock
    from harness.sweep.study.study_storage import open_storage
    from harness.sweep.study.trial_queue import TrialQueue

    storage = open_storage(place.url, place.folder)
    study = optuna.load_study(study_name=place.study, storage=storage)
    queue = TrialQueue(study, study_lock(place.url, place.folder, place.study), lease=lease)
    workers = queue.workers().values()
    alive = [heartbeat for heartbeat in workers if heartbeat["state"] == "working" and not heartbeat["dead"]]
    return "join" if any(time.time() - heartbeat["beat"] < lease for heartbeat in alive) else "continue"


def _find(cfg: DictConfig, words: Sequence[str]) -> Path:
    check_name(cfg.sweep.name)
    if any(word.startswith("hydra.sweep.subdir=") for word in cfg.hydra.overrides.hydra):
        raise UserError(
            "hydra.sweep.subdir cannot be chosen: a trial's folder is its number within the sweep's, by "
            "which a later command finds it",
            "leave it out, or name the sweep with hydra.sweep.dir=FOLDER",
            key="hydra.sweep.subdir",
        )
    given, wanted = _given(cfg), cfg.resume.run
    if given is None:
        return _newest(cfg, words) if wanted in (None, AUTO) else _named(wanted, cfg)
    if wanted not in (None, AUTO):
        raise UserError(
            f"resume={wanted} and hydra.sweep.dir={given} name a sweep each",
            "leave out one of them",
            key="hydra.sweep.dir",
        )
    return given


def _given(cfg: DictConfig) -> Path | None:
    """The folder that the user chose.

    Raises:
        UserError: it is empty.
    """
    raw: Any = OmegaConf.to_container(cfg.hydra.sweep, resolve=False)
    if "${sweep_folder:" in str(raw["dir"]):
        return None
    if not str(cfg.hydra.sweep.dir).strip():
        raise UserError(
            "hydra.sweep.dir must not be empty",
            "give hydra.sweep.dir=FOLDER, or leave it out",
            key="hydra.sweep.dir",
        )
    return Path(cfg.hydra.sweep.dir)


def _newest(cfg: DictConfig, words: Sequence[str]) -> Path:
    return newest_folder(Path(cfg.outputs) / SWEEPS, stem(cfg.sweep.name, words), cfg.sweep.storage)


def newest_folder(sweeps: Path, named: str, url: str | None) -> Path:
    """The folder `<named>-<n>` of the newest sweep of that name if it is unfinished, else of a new one.

    Args:
        sweeps: the folder of sweeps.
        url: `sweep.storage`.
    """
    numbers = below(sweeps, named, stored=url is None)
    for study, over in _studies(url).items():
        number = number_of(study, named)
        if number is not None:
            numbers[number] = over
    return sweeps / f"{named}-{newest(numbers)}"


def _named(wanted: str, cfg: DictConfig) -> Path:
    """The sweep of this folder, or of this name below `outputs/sweeps` or in the database."""
    url, sweeps = cfg.sweep.storage, Path(cfg.outputs) / SWEEPS
    folders = (Path(wanted), sweeps / wanted)
    for folder in folders:
        if _exists(folder, url) and (url is None or folder.is_dir() or folder == folders[-1]):
            return folder
    raise _no_sweep(wanted, folders, sweeps, url)


def _no_sweep(wanted: str, folders: tuple[Path, ...], sweeps: Path, url: str | None) -> UserError:
    if url is not None:
        return UserError(
            f"resume={wanted} cannot be done: {_label(url)} holds no sweep of that name",
            near(wanted, _studies(url)),
        )
    if any(folder.is_dir() for folder in folders):
        return UserError(
            f"resume={wanted} cannot be done: that folder holds no {STUDY}",
            "name the folder of a sweep, and with sweep.storage=URL the database where it has one",
        )
    names = [file.parent.name for file in sweeps.glob(f"*/{STUDY}")]
    return UserError(
        f"resume={wanted} cannot be done: there is no such folder, and no sweep of that name below {sweeps}",
        near(wanted, names),
    )


def _exists(folder: Path, url: str | None) -> bool:
    """Whether a study was begun there."""
    return (folder / STUDY).is_file() if url is None else folder.resolve().name in _studies(url)


def _studies(url: str | None) -> dict[str, bool]:
    """The studies of a database, and whether each sweep is finished; none without a database."""
    if url is None or _absent(url):
        return {}
    from harness.sweep.study.study_storage import open_storage, studies

    storage = open_storage(url, Path())
    over = {}
    for name in studies(storage):
        attributes = storage.get_study_user_attrs(storage.get_study_id_from_name(name))
        over[name] = bool(attributes.get(FINISHED))
    storage.remove_session()
    return over


def _label(url: str) -> str:
    from harness.sweep.study.storage_address import read_address

    return read_address(url).label


def _absent(url: str) -> bool:
    """Whether it is a file that does not exist: looking into it would make it.

    Raises:
        UserError: nor could it be made, for want of its folder.
    """
    from harness.sweep.study.storage_address import read_address

    file = read_address(url).file
    if file is not None and not file.parent.is_dir():
        raise UserError(
            f"sweep.storage: the folder {file.parent} of the database does not exist",
            "make it, or name another by sweep.storage=sqlite:///FILE",
            key="sweep.storage",
        )
    return file is not None and not file.exists()
