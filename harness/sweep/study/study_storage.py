"""Opens the storage of a study, and the study in it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage

from harness.core.errors import UserError
from harness.runtime.stored_file import DamagedFile, reading
from harness.sweep.study.journal_storage import JournalFile, StudyJournal
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.study_attributes import check_attributes

JOURNAL = "study.journal"


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """The storage of a sweep, made where it is not there yet; any number of processes may do so at once.

    Optuna's heartbeats are not used: the trial queue has heartbeats of its own.

    Args:
        url: `sweep.storage`, an address of sqlite or PostgreSQL; None: a journal in the folder.
        folder: the sweep's, which is made if need be.

    Raises:
        UserError: the address is none, or what it leads to cannot be reached, opened or written.
    """
    quiet()
    if url is None:
        return _journal(folder)
    from harness.sweep.study.database_storage import (
        open_database,  # and SQLAlchemy, which takes a while to import
    )

    return open_database(url)


def label_of(url: str | None) -> str:
    """A storage as messages name it, without its password."""
    if url is None:
        return "the journal of the sweep"
    from harness.sweep.study.storage_address import read_address

    return f"sweep.storage {read_address(url).label}"


def studies(storage: BaseStorage) -> list[str]:
    """The names of all studies in it."""
    return [study.study_name for study in storage.get_all_studies()]


def load_or_create(storage: BaseStorage, name: str, objectives: Sequence[Objective]) -> optuna.Study:
    """The study of that name, which several processes may ask for at once.

    It comes with Optuna's own sampler and pruner; those of a sweep are set as its attributes.

    Raises:
        UserError: there is such a study, and it improves something else.
    """
    directions = [objective.direction for objective in objectives]
    study = optuna.create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)
    known = [direction.name.lower() for direction in study.directions]
    if study.metric_names is None and known == directions:
        study.set_metric_names([objective.name for objective in objectives])
    names = study.metric_names or ["another score"] * len(known)
    there = aims([Objective(*pair) for pair in zip(names, known, strict=True)])  # type: ignore[arg-type]
    here = aims(objectives)
    if there != here:
        raise UserError(
            f"the sweep {name} is there and is to {there}, but this command would {here}",
            "begin another with sweep.name=NAME, or take its sweep.objectives",
        )
    return study


def quiet() -> None:
    """Optuna's warnings go where all others go; what it says besides, and that a part is new, is left out."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optuna.logging.disable_default_handler()  # a handler of its own would write across the screen's table
    optuna.logging.enable_propagation()
    # While a database is away, each try would print that Optuna falls back to a slower query.
    logging.getLogger("optuna.storages").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def aims(objectives: Sequence[Objective]) -> str:
    """`maximize valid/accuracy and minimize model/parameters`."""
    return " and ".join(f"{objective.direction} {objective.name}" for objective in objectives)


def _journal(folder: Path) -> BaseStorage:
    path = folder / JOURNAL
    if path.exists() and not path.is_file():
        raise DamagedFile(path, "it is not a file")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        journal = JournalFile(path)
        journal.append_logs([])  # whether it can be locked and written shows now
        with reading(path, LookupError, TypeError, AttributeError, AssertionError, OptunaError):
            storage = StudyJournal(journal)
        check_attributes(storage, path)
        return storage
    except OSError as error:
        raise UserError(
            f"the sweep's folder {folder} cannot hold its journal ({error.strerror or error})",
            "choose another by hydra.sweep.dir=FOLDER, or keep the study elsewhere by sweep.storage=URL",
        ) from None
