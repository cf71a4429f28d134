"""Mutual exclusion among all threads, processes and machines that work on a study."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import quote

from harness.core.errors import UserError
from harness.sweep.study.file_lock import FileLock

LOCK = "study.lock"


def study_lock(url: str | None, folder: Path, study: str) -> Callable[[], AbstractContextManager[None]]:
    """What gives mutual exclusion on one study: `with lock(): …`.

    A killed process releases it at once. It is not re-entrant: a thread that enters it
    twice waits for itself.

    Args:
        url: `sweep.storage`. None and sqlite lock a file, in the sweep's folder or beside the database;
            PostgreSQL locks in the server, for all machines alike.
        folder: the sweep's; it must exist.
        study: the study's name.

    Raises:
        UserError: the address is none of those, or the file of the lock cannot be opened.
    """
    if url is None:
        return _file_lock(folder / LOCK)
    # SQLAlchemy, which reads addresses, takes a while to import: a sweep without a database needs none of it.
    from harness.sweep.study.postgres_lock import PostgresLock
    from harness.sweep.study.storage_address import read_address

    address = read_address(url)
    if address.file is None:
        return PostgresLock(address, f"harness study {study}")
    return _file_lock(address.file.with_name(f"{address.file.name}-{quote(study, safe='')}.lock"))


def _file_lock(path: Path) -> FileLock:
    try:
        return FileLock(path)
    except OSError as error:
        raise UserError(
            f"the sweep's lock {path} cannot be opened ({error.strerror})",
            "make its folder one that can be written, or keep the study in a database by sweep.storage=URL",
        ) from None
