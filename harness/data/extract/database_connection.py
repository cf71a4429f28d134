"""Read-only connections to a database URL."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from sqlalchemy import Connection, Engine, create_engine, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.pool import NullPool

from harness.core.errors import UnknownName, UserError
from harness.data.extract.connection_retry import Unreached
from harness.data.extract.source_files import file
from harness.data.extract.sqlite_types import register
from harness.runtime.address import encoded
from harness.runtime.redact import first_line, secret_parameter

_POSTGRES = ("postgresql", "postgres")
_TIMEOUT = {
    "psycopg": "connect_timeout",
    "psycopg2": "connect_timeout",
    "pymysql": "connect_timeout",
    "mysqldb": "connect_timeout",
    "mariadbconnector": "connect_timeout",
    "pyodbc": "timeout",
    "oracledb": "tcp_connect_timeout",
}
"""Per driver, the name of the connection time-out option."""

_WRONG_CREDENTIALS = re.compile(
    r"authentication failed|no password supplied|access denied|login failed|role .* does not exist|"
    r"no pg_hba\.conf entry|ORA-01017",
    re.IGNORECASE,
)
_NO_DATABASE = re.compile(r"database .* does not exist|unknown database|cannot open database", re.IGNORECASE)


class Database:
    """A database that is only read.

    Args:
        url: any of SQLAlchemy's, `dialect+driver://user:password@host:port/database`.
        timeout: time-out of connecting, in seconds.

    Raises:
        UserError: it is not a URL, or names a SQLite file that does not exist.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self.url = _parsed(url)
        self.timeout = timeout
        self.file = _sqlite_file(self.url) if self.url.get_backend_name() == "sqlite" else None
        self.secrets = _secrets(self.url)

    @property
    def label(self) -> str:
        """The URL without user, password and options: `postgresql://host:5432/clinic`."""
        if self.file is not None:
            return f"sqlite:///{self.file}"
        place = URL.create(
            self.url.get_backend_name(), host=self.url.host, port=self.url.port, database=self.url.database
        )
        return place.render_as_string()

    @property
    def name(self) -> str:
        """The default name of the data set."""
        return self.file.stem if self.file is not None else self.url.database or self.url.get_backend_name()

    def connect(self) -> Connection:
        """A connection whose transaction is read-only, if the database supports it (PostgreSQL, SQLite),
        and always rolled back.

        Raises:
            Unreached: the server does not answer.
            UserError: the server refuses, or the driver is not installed.
        """
        engine = self._engine()
        try:
            return engine.connect()
        except SQLAlchemyError as fault:
            raise self._refusal(fault) from None
        except (TypeError, ValueError) as fault:  # an option of the URL with a value of the wrong type
            raise self._odd_option(first_line(str(fault), self.secrets)) from None

    def tables(self) -> list[str]:
        """The names of all tables and views, with their schema if it is not the default one."""
        with self.connect() as connection:
            inspector = inspect(connection)
            names = [*inspector.get_table_names(), *inspector.get_view_names()]
            for schema in inspector.get_schema_names():
                if schema not in (inspector.default_schema_name, "information_schema"):
                    names += [f"{schema}.{table}" for table in inspector.get_table_names(schema)]
            return names

    def _engine(self) -> Engine:
        if self.file is not None:
            return create_engine("sqlite://", creator=_sqlite(self.file, self.timeout), poolclass=NullPool)
        try:
            engine = create_engine(
                self.url,
                poolclass=NullPool,
                hide_parameters=True,
                connect_args=self._connect_args(),
                execution_options={"postgresql_readonly": True},
            )
        except (ImportError, NoSuchModuleError) as fault:
            raise self._no_driver(fault) from None
        return engine

    def _connect_args(self) -> dict[str, Any]:
        argument = _TIMEOUT.get(self.url.get_driver_name())
        if argument is None or argument in self.url.query:
            return {}
        return {argument: max(1, round(self.timeout))}

    def _no_driver(self, fault: Exception) -> UserError:
        if self.url.get_backend_name() in _POSTGRES:
            return UserError(
                "data.extract.url needs a driver for PostgreSQL, which is not installed",
                "run pip install 'harness[postgres]'",
                key="data.extract.url",
            )
        if isinstance(fault, ImportError) and fault.name:
            return UserError(
                f"data.extract.url needs the package {fault.name!r}, which is not installed",
                f"run pip install {fault.name}, or name another driver as dialect+driver://…",
                key="data.extract.url",
            )
        return UnknownName(
            f"data.extract.url begins with {self.url.drivername!r}, which SQLAlchemy does not know",
            self.url.drivername,
            ("postgresql", "sqlite", "mysql", "mariadb", "oracle", "mssql"),
            key="data.extract.url",
        )

    def _refusal(self, fault: SQLAlchemyError) -> Exception:
        reason = first_line(str(fault.orig if isinstance(fault, DBAPIError) else fault), self.secrets)
        if _WRONG_CREDENTIALS.search(reason):
            return UserError(
                f"data.extract.url: {self.label} refuses the user name or password ({reason})",
                "correct them, or take them from the environment with ${oc.env:VARIABLE}",
                key="data.extract.url",
            )
        if _NO_DATABASE.search(reason):
            return UserError(
                f"data.extract.url: there is no database {self.url.database!r} on the server",
                "name another after the last slash",
                key="data.extract.url",
            )
        if self.file is not None:
            return UserError(
                f"data.extract.url: {self.file} cannot be opened ({reason})",
                "correct the file",
                key="data.extract.url",
            )
        if isinstance(fault, OperationalError | InterfaceError):
            return Unreached(reason)
        return self._odd_option(reason)

    def _odd_option(self, reason: str) -> UserError:
        return UserError(
            f"data.extract.url: {reason}",
            "correct what stands behind the question mark",
            key="data.extract.url",
        )


def _parsed(text: str) -> URL:
    try:
        url = make_url(encoded(text, "data.extract.url"))
    except (ArgumentError, ValueError):  # its message would contain the password
        raise UserError(
            "data.extract.url must be a database URL, dialect://user:password@host:port/database",
            "take the password from the environment, or write its special characters as %40 and so on",
            key="data.extract.url",
        ) from None
    if url.drivername in _POSTGRES:
        driver = "psycopg2" if find_spec("psycopg2") else "psycopg"
        url = url.set(drivername=f"postgresql+{driver}")
    return url


def _secrets(url: URL) -> list[str]:
    """The secrets in the URL."""
    secrets = [str(url.password)] if url.password else []
    for key, value in url.query.items():
        if secret_parameter(key):
            secrets += [value] if isinstance(value, str) else value
    return secrets


def _sqlite_file(url: URL) -> Path:
    """The file that a URL names, as a path or as SQLite's own `file:…?mode=ro&uri=true`.

    Raises:
        UserError: there is no file; SQLite would create it.
    """
    name = url.database or ""
    if name.startswith("file:"):
        name = unquote(name.removeprefix("file:"))
    if name in ("", ":memory:"):
        raise UserError(
            "data.extract.url names no file",
            "write sqlite:///relative.db or sqlite:////absolute/path.db",
            key="data.extract.url",
        )
    return file(name, "data.extract.url")


def _sqlite(path: Path, timeout: float) -> Callable[[], Any]:
    """Opens the file for reading only; columns declared as booleans or dates are converted.

    Beside a file in write-ahead mode SQLite makes an empty log, which its next writer removes.
    """
    register()
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            uri, uri=True, timeout=timeout, detect_types=sqlite3.PARSE_DECLTYPES, check_same_thread=False
        )

    return connect
