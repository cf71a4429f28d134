"""Waits for the database of a sweep while it does not answer, so that a restart costs no trial."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from harness.core.errors import Unfinished
from harness.sweep.study.storage_refusal import StorageDamaged, StorageUnreachable

T = TypeVar("T")

_PAUSE = 1.0
"""Seconds between two tries of a process that waits."""

_TRAINING_PAUSE = 5.0
"""Seconds between two tries of a trial that goes on meanwhile."""

_LIBRARIES = ("sqlalchemy", "psycopg", "sqlite3")
_OUTAGES = {
    "OperationalError",
    "InterfaceError",
    "DisconnectionError",
    "TimeoutError",
    "PendingRollbackError",  # the second query of a transaction whose connection was lost
}

_SQLITE_OUTAGES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
}
"""Result codes of SQLite that can pass: another writer, or a file system that is away or full."""


_PROGRAM_ERRORS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)
"""Errors of the program that asks, not of the file."""


class StorageLost(Unfinished):
    """The database of a sweep did not answer for `sweep.patience` minutes."""


class Patience:
    """How one process waits for the study's database.

    Each question is a whole transaction of the trial queue, so it can be asked again.

    Args:
        minutes: how long the database may be away; `sweep.patience`.
        say: takes one line when the database is away, and one when it answers again.
        label: names the database in these lines.
        recovered: called when the database answers again.
    """

    def __init__(
        self,
        minutes: float,
        say: Callable[[str], object] = lambda line: None,
        label: str = "the database",
        recovered: Callable[[], None] = lambda: None,
    ) -> None:
        self._minutes, self._say, self._label, self._recovered = minutes, say, label, recovered
        self._since: float | None = None
        self._next_try = 0.0
        self._given_up = threading.Event()
        self._lock = threading.Lock()

    def wait(self, ask: Callable[[], T]) -> T:
        """The answer, for which it waits while the database is away.

        Raises:
            StorageLost: the database stayed away, or `give_up` was called.
            StorageDamaged: it is an SQLite file that is damaged or has lost a table.
            Exception: what `ask` raises for another reason.
        """
        while True:
            try:
                answer = ask()
            except Exception as error:
                self._require_outage(error)
                until = self._away() + 60 * self._minutes
                if self._given_up.wait(_PAUSE) or time.monotonic() > until:
                    raise StorageLost(
                        f"{self._label} did not answer for {self._minutes:g} minutes (sweep.patience); the "
                        "same command continues the sweep"
                    ) from error
            else:
                self._back()
                return answer

    def attempt(self, ask: Callable[[], T], otherwise: T) -> T:
        """The answer, or `otherwise` while the database is away: for a training, which does not wait.

        Raises:
            StorageDamaged: as `wait`.
            Exception: what `ask` raises for another reason.
        """
        if self._since is not None and time.monotonic() < self._next_try:
            return otherwise
        begun = time.monotonic()
        try:
            answer = ask()
        except Exception as error:
            self._require_outage(error)
            self._away()
            # A connection to a machine that is switched off fails only after seconds.
            self._next_try = time.monotonic() + max(_TRAINING_PAUSE, 10 * (time.monotonic() - begun))
            return otherwise
        self._back()
        return answer

    def give_up(self) -> None:
        """From now on nothing waits: the user has stopped the command."""
        self._given_up.set()

    def _require_outage(self, error: Exception) -> None:
        if is_outage(error):
            return
        fault = _sqlite_error(error)
        if fault is None or isinstance(fault, _PROGRAM_ERRORS):
            raise error
        raise StorageDamaged(self._label, str(fault)) from error

    def _away(self) -> float:
        """When the database was first found away, as a monotonic time."""
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()
                self._say(
                    f"{self._label} does not answer; waiting for at most {self._minutes:g} minutes "
                    "(sweep.patience), running trials go on"
                )
            return self._since

    def _back(self) -> None:
        if self._since is None:
            return
        with self._lock:
            if self._since is not None:
                seconds, self._since = time.monotonic() - self._since, None
                self._recovered()
                self._say(f"{self._label} answers again, after {seconds:.0f} s")


def is_outage(error: BaseException | None) -> bool:
    """Whether the error, or one that caused it, says that a database is unreachable or was restarted.

    SQLite raises an `OperationalError` for a locked file and for a missing table, so its result code decides.
    """
    fault = _sqlite_error(error)
    if fault is not None:
        # The lower byte of an extended code, such as SQLITE_IOERR_READ, is the code.
        return getattr(fault, "sqlite_errorcode", 0) & 0xFF in _SQLITE_OUTAGES
    while error is not None:
        if isinstance(error, StorageUnreachable):
            return True
        for kind in type(error).__mro__:
            if kind.__module__.partition(".")[0] in _LIBRARIES and kind.__name__ in _OUTAGES:
                return True
        error = error.__cause__
    return False


def _sqlite_error(error: BaseException | None) -> sqlite3.DatabaseError | None:
    """The error of SQLite that caused this one; SQLAlchemy keeps it as the cause."""
    while error is not None and not isinstance(error, sqlite3.DatabaseError):
        error = getattr(error, "orig", None) or error.__cause__
    return error
