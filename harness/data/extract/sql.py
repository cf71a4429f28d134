"""Sql: the rows of a query or a table, from any database that SQLAlchemy supports."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
from sqlalchemy import Connection, TextClause, bindparam, select, table, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.sql import Executable
from sqlalchemy.sql.elements import literal_column

from harness.core.errors import UnknownName, UserError
from harness.core.table import Table
from harness.data.extract.connection_retry import Retry, Unreached
from harness.data.extract.database_connection import Database
from harness.data.extract.file_fingerprint import fingerprint
from harness.data.extract.server_columns import Columns
from harness.data.extract.source import Source
from harness.runtime.redact import first_line

_WRITES = re.compile(
    r"\s*(insert|update|delete|merge|replace|create|drop|alter|truncate|grant|revoke|copy|call|vacuum)\b",
    re.IGNORECASE,
)
_REFUSED_WRITE = re.compile(r"read-?only|data-modifying", re.IGNORECASE)
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_NO_TABLE = re.compile(r"relation \"(?P<pg>[^\"]+)\" does not exist|no such table: (?P<lite>\S+)")


class Sql(Source):
    """The result of a query, or all rows of a table, as a Table.

    Rows are streamed, so that memory holds the frame and one chunk. A query without ORDER BY has no
    order: with an `id`, rows are sorted by it, equal ids in order of arrival; without one, rows keep the
    order of arrival. For dtypes see `Columns`. The arguments not named here are those of `Source`.

    Args:
        url: any of SQLAlchemy's; `sqlite:///visits.db` is a file of the current folder.
        query: a SELECT; exactly one of `query` and `table`.
        table: a name, `schema.name` in another schema; the database's own quotes are added.
        parameters: the values of `:name` in the query, sent as bound parameters; a list for `in :name`.
        dates: columns whose text is read as dates in ISO 8601; columns with a date type need not be listed.
        chunk: rows fetched at a time.
        timeout: time-out of connecting, in seconds.
        retries, backoff: see `Retry`; for faults of the connection only.
    """

    def __init__(
        self,
        *,
        url: str | None,
        query: str | None,
        table: str | None,
        parameters: dict[str, Any],
        dates: list[str],
        chunk: int,
        timeout: float,
        retries: int,
        backoff: float,
        **roles: Any,
    ) -> None:
        super().__init__(**roles)
        if chunk < 1:
            raise ValueError(f"chunk must be 1 row or more, got {chunk}")
        if not timeout > 0:
            raise ValueError(f"timeout must be more than 0 seconds, got {timeout}")
        self.url, self.query, self.table, self.parameters = url, query, table, parameters
        self.dates, self.chunk, self.timeout = dates, chunk, timeout
        self.retry = Retry(retries, backoff)

    def __call__(self) -> Table:
        """Raises UserError: a server, query, or rows that do not fit; messages never contain the password."""
        database = self._database()
        statement = self._statement()
        try:
            frame = self.retry(lambda: self._read(database, statement))
        except Unreached as fault:
            raise UserError(
                f"data.extract.url: {database.label} was not reached in {self.retry.tries} ({fault})",
                "check host and port, or raise data.extract.timeout or data.extract.retries",
                key="data.extract.url",
            ) from None
        return self.roles.assign(frame, self.name or self.table or database.name, database.label)

    def fingerprint(self) -> str | None:
        """Of a SQLite file, with its write-ahead log; None for a server."""
        database = self._database()
        if database.file is None:
            return None
        log = database.file.with_name(f"{database.file.name}-wal")
        # Reading can leave an empty log behind, which changes no row.
        waiting = [log] if log.is_file() and log.stat().st_size else []
        return fingerprint([database.file, *waiting])

    def _database(self) -> Database:
        if self.url is None:
            raise UserError(
                "data.extract.url needs the database to read",
                "give data.extract.url=sqlite:///FILE.db, or postgresql://USER:PASSWORD@HOST/DATABASE",
                key="data.extract.url",
            )
        return Database(self.url, self.timeout)

    @property
    def _place(self) -> str:
        return "data.extract.query" if self.table is None else f"data.extract.table={self.table}"

    def _statement(self) -> Executable:
        if (self.query is None) == (self.table is None):
            remedy = "take one away" if self.query is not None else "give data.extract.table=TABLE"
            both = "both are given" if self.query is not None else "neither is given"
            raise UserError(
                f"exactly one of data.extract.query and data.extract.table says what to read, and {both}",
                remedy,
                key="data.extract.query",
            )
        if self.table is not None:
            schema, _, name = self.table.rpartition(".")
            self._require_parameters(set())
            return select(literal_column("*")).select_from(table(name, schema=schema or None))
        statement = text(str(self.query))
        self._require_parameters(set(statement.compile().params))
        return self._bound(statement)

    def _bound(self, statement: TextClause) -> TextClause:
        lists = {name: value for name, value in self.parameters.items() if isinstance(value, list)}
        statement = statement.bindparams(*(bindparam(name, expanding=True) for name in lists))
        return statement.bindparams(**self.parameters)

    def _require_parameters(self, named: set[str]) -> None:
        for name in sorted(named - self.parameters.keys()):
            raise UserError(
                f"data.extract.query has the parameter :{name}, which data.extract.parameters does not give",
                rf"add +data.extract.parameters.{name}=VALUE, or write \:{name} where no parameter is meant",
                key="data.extract.query",
            )
        for name in sorted(self.parameters.keys() - named):
            raise UnknownName(
                f"data.extract.parameters gives {name!r}, and {self._place} has no :{name}",
                name,
                named,
                key="data.extract.parameters",
            )

    def _read(self, database: Database, statement: Executable) -> pd.DataFrame:
        """Raises Unreached: the connection could not be made, or broke while rows came."""
        with database.connect() as connection:
            try:
                return self._gather(connection, statement)
            except DBAPIError as fault:
                reason = first_line(str(fault.orig), database.secrets)
                if fault.connection_invalidated or "database is locked" in reason:  # by SQLite's writer
                    raise Unreached(reason) from None
            except SQLAlchemyError as fault:
                reason = first_line(str(fault), database.secrets)
        raise self._refusal(reason, database)

    def _gather(self, connection: Connection, statement: Executable) -> pd.DataFrame:
        with connection.execution_options(yield_per=self.chunk).execute(statement) as result:
            if not result.returns_rows:
                raise self._no_reading("it returned no table")
            names = list(result.keys())
            self._require_distinct(names)
            columns = Columns(
                keys=(self.roles.group, self.roles.id),
                dates=self.dates,
                drop=self.roles.drop,
                place=self._place,
            )
            for rows in result.partitions():
                columns.append(names, list(zip(*rows, strict=True)), len(rows))
        if not len(columns):
            hint = "fill it" if self.table else "loosen its conditions, or correct data.extract.parameters"
            raise UserError(f"{self._place} gives no rows", hint)
        return columns.frame(self.roles.id)

    def _require_distinct(self, names: list[str]) -> None:
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise UserError(
                f"data.extract.query gives two columns named {twice[0]!r}",
                "rename one with AS in the query",
                key="data.extract.query",
            )

    def _refusal(self, reason: str, database: Database) -> UserError:
        query = _COMMENTS.sub(" ", self.query or "")
        if _WRITES.match(query) or (query and _REFUSED_WRITE.search(reason)):
            return self._no_reading(reason)
        missing = _NO_TABLE.search(reason)
        if missing:
            name = self.table or missing["pg"] or missing["lite"]
            return UnknownName(
                f"{self._place}: there is no table {name!r} in {database.label}", name, database.tables()
            )
        return UserError(f"{self._place} is refused by the database: {reason}", "correct the query")

    def _no_reading(self, reason: str) -> UserError:
        return UserError(
            f"data.extract.query must only read, and the connection is read-only ({reason})",
            "write a SELECT",
            key="data.extract.query",
        )
