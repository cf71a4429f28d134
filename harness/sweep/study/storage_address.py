"""The address of `sweep.storage`, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from harness.core.errors import UserError
from harness.core.near_names import near
from harness.runtime.address import encoded
from harness.runtime.redact import first_line, passwords
from harness.sweep.study.storage_refusal import StorageUnreachable

_DIALECTS = ("postgresql", "sqlite")

# psycopg's names: seconds to open a connection, and to give up a server that does not answer.
_PATIENCE = {"connect_timeout": 10, "keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}

_SESSION = """
set statement_timeout = 0;         -- one may wait long for a lock
set lock_timeout = 0;
set tcp_keepalives_idle = 15;      -- a machine that vanished holds its lock no longer than half a minute
set tcp_keepalives_interval = 5;
set tcp_keepalives_count = 3;
"""


@dataclass(frozen=True)
class Address:
    """A database for studies.

    url   SQLAlchemy's, with psycopg 3 as the driver of PostgreSQL and an absolute path to SQLite's file
    file  of SQLite; None: a server
    """

    url: URL
    file: Path | None

    @property
    def text(self) -> str:
        """The whole URL, password included: not to be shown."""
        return self.url.render_as_string(hide_password=False)

    @property
    def label(self) -> str:
        """The URL without user, password and options."""
        if self.file is not None:
            return f"sqlite:///{self.file}"
        place = URL.create("postgresql", host=self.url.host, port=self.url.port, database=self.url.database)
        return place.render_as_string()

    @property
    def patience(self) -> dict[str, Any]:
        """Time limits for the driver, where the URL sets none."""
        if self.file is not None:
            return {"timeout": 60}  # seconds to wait for another writer
        return {name: value for name, value in _PATIENCE.items() if name not in self.url.query}

    def connect(self) -> Any:
        """A connection to the server of psycopg's own, outside transactions, for as long as one likes.

        Raises:
            UserError: no driver, or the server cannot be reached, or refuses.
        """
        try:
            import psycopg
        except ImportError:
            raise UserError(
                "sweep.storage needs a driver for PostgreSQL, which is not installed",
                "run pip install 'harness[postgres]'",
                key="sweep.storage",
            ) from None
        _, keywords = self.url.get_dialect()().create_connect_args(self.url)
        try:
            connection = psycopg.connect(**{**self.patience, **keywords}, autocommit=True)
            connection.execute(_SESSION)
        except psycopg.Error as error:
            raise self.refusal(error, StorageUnreachable) from None  # whose own text may hold the password
        return connection

    def refusal(self, error: Exception, kind: type[UserError] = UserError) -> UserError:
        """The sentence for what a driver, or the file system, objected to."""
        cause = getattr(error, "orig", None) or getattr(error, "strerror", None) or error
        reason = first_line(str(cause), passwords(self.text))
        return kind(
            f"sweep.storage: {self.label} cannot be used ({reason})",
            "correct the address or what it leads "
            "to, or leave sweep.storage out for a journal in the sweep's folder",
            key="sweep.storage",
        )


def read_address(storage: str) -> Address:
    """The address that a text means; a relative path begins in the folder where the command was typed.

    Raises:
        UserError: it is none, or leads to another kind of database, or to one within a process.
    """
    try:
        url = make_url(encoded(storage, "sweep.storage"))
    except (ArgumentError, ValueError):  # whose words would hold the password
        raise UserError(
            "sweep.storage must be sqlite:///FILE or postgresql://user:password@host:port/database, with "
            "special characters of the password as %40 and so on; got something else",
            key="sweep.storage",
        ) from None
    if url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return Address(url.set(drivername="postgresql+psycopg"), None)
    if url.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise UserError(
            f"sweep.storage must be a database of sqlite or postgresql, got {url.drivername}",
            near(url.drivername.partition("+")[0], _DIALECTS),
            key="sweep.storage",
        )
    return _sqlite(url)


def _sqlite(url: URL) -> Address:
    name = url.database or ""
    if not name or name == ":memory:" or name.startswith("file:"):
        raise UserError(
            f"sweep.storage must be a file that other processes can open too, got {url}",
            "write sqlite:///FILE",
            key="sweep.storage",
        )
    file = Path(name).absolute()
    return Address(url.set(database=str(file)), file)
