"""Graphql: the rows of a GraphQL query, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from harness.core.errors import UserError
from harness.core.table import Table
from harness.data.extract.connection_retry import Retry, Unreached
from harness.data.extract.graphql.find_rows import Listing, locate
from harness.data.extract.graphql.flatten import Row, flat
from harness.data.extract.graphql.paging import CursorPaging, OffsetPaging, Variables
from harness.data.extract.server_columns import Columns
from harness.data.extract.source import Source
from harness.data.extract.source_files import file

_ROWS_AT_ONCE = 10_000
"""Rows held as Python objects before they become columns."""


class Graphql(Source):
    """All pages of a GraphQL query as a Table.

    Fields of inner objects become columns, `patient.age`; for dtypes see `Columns`. With an `id`, rows are
    sorted by it, equal ids in order of arrival. The arguments not named here are those
    of `Source`.

    Args:
        url: of the endpoint.
        query: with the variables it declares; exactly one of `query` and `query_file`.
        query_file: a file that holds it, relative to the current folder.
        variables: their values, the page size among them.
        rows: dotted path to the list, or to the connection with `edges` or `nodes`; None: the only one.
        cursor: the variable of the page's cursor; pages follow where the query declares it.
        offset: the variable that counts the rows to skip; None: pages go by cursor.
        max_pages: the largest number of pages; more are an error.
        explode: dotted path to a list within a row, each element of which becomes a row; None: none.
        separator: between the names of a column that comes from an inner object.
        dates: columns whose text is read as dates in ISO 8601; GraphQL has no type for them.
        headers: sent with each request.
        authorization: a token, sent as `Authorization: Bearer token`; a value with a space, such as `Basic
            …`, is sent unchanged.
        timeout: seconds to connect, and seconds without a byte of the answer.
        retries, backoff: see `Retry`; for time-outs, faults of the connection, HTTP 429 and 5xx.
    """

    def __init__(
        self,
        *,
        url: str | None,
        query: str | None,
        query_file: str | None,
        variables: dict[str, Any],
        rows: str | None,
        cursor: str,
        offset: str | None,
        max_pages: int,
        explode: str | None,
        separator: str,
        dates: list[str],
        headers: dict[str, str],
        authorization: str | None,
        timeout: float,
        retries: int,
        backoff: float,
        **roles: Any,
    ) -> None:
        super().__init__(**roles)
        if not separator:
            raise ValueError("separator must be one character or more, got ''")
        if max_pages < 1:
            raise ValueError(f"max_pages must be 1 or more, got {max_pages}")
        if not timeout > 0:
            raise ValueError(f"timeout must be more than 0 seconds, got {timeout}")
        self.url, self.query, self.query_file, self.variables = url, query, query_file, variables
        self.rows, self.cursor, self.offset, self.max_pages = rows, cursor, offset, max_pages
        self.explode, self.separator, self.dates = explode, separator, dates
        self.headers, self.authorization, self.timeout = headers, authorization, timeout
        self.retry = Retry(retries, backoff)

    def __call__(self) -> Table:
        """Raises UserError: a server, query, or answer that does not fit; messages never contain
        credentials."""
        # Imported here, because gql takes a third of a second.
        from harness.data.extract.graphql.check_query import parsed
        from harness.data.extract.graphql.http_request import Endpoint

        if self.url is None:
            raise UserError(
                "data.extract.url needs the endpoint to ask",
                "give data.extract.url=https://…/graphql",
                key="data.extract.url",
            )
        query, declared = parsed(self._text(), self.variables, paging=[self.offset])
        with Endpoint(self.url, self.headers, self.authorization, self.timeout) as endpoint:

            def ask(variables: Variables) -> dict[str, Any]:
                query.variable_values = variables
                return self.retry(lambda: endpoint.ask(query))

            try:
                frame, path = self._gather(self._pages(ask, declared))
            except Unreached as fault:
                raise UserError(
                    f"data.extract.url: {endpoint.label} gave no answer in {self.retry.tries} ({fault})",
                    "check the address, or raise data.extract.timeout or data.extract.retries",
                    key="data.extract.url",
                ) from None
        return self.roles.assign(frame, self.name or path.partition(".")[0], endpoint.label)

    def _text(self) -> str:
        if (self.query is None) == (self.query_file is None):
            remedy = (
                "take one away" if self.query is not None else "give data.extract.query_file=FILE.graphql"
            )
            both = "both are given" if self.query is not None else "neither is given"
            raise UserError(
                "exactly one of data.extract.query and data.extract.query_file says what to read, and "
                f"{both}",
                remedy,
                key="data.extract.query",
            )
        if self.query_file is None:
            return str(self.query)
        path = file(self.query_file, "data.extract.query_file")
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise UserError(
                f"data.extract.query_file={path} is not text in UTF-8",
                "save it as such",
                key="data.extract.query_file",
            ) from None

    def _pages(self, ask: Callable[[Variables], dict[str, Any]], declared: list[str]) -> Iterator[Listing]:
        """The pages in their order.

        Raises:
            UserError: see `Endpoint`, `locate`, and the kinds of paging; or too many pages.
        """
        paging: CursorPaging | OffsetPaging = CursorPaging(self.cursor, declared)
        variables: Variables = self.variables
        if self.offset is not None:
            paging = OffsetPaging(self.offset, self.variables.get(self.offset, 0), declared)
            variables = {self.offset: 0} | self.variables
        for _ in range(self.max_pages):
            page = locate(ask(variables), self.rows)
            yield page
            following = paging.following(page, variables)
            if following is None:
                return
            variables = following
        raise UserError(
            f"the answer has more than data.extract.max_pages={self.max_pages} pages",
            "raise it, or ask for more rows per page",
            key="data.extract.max_pages",
        )

    def _gather(self, pages: Iterator[Listing]) -> tuple[pd.DataFrame, str]:
        """The rows as columns, and their path in the answer."""
        columns = Columns(
            keys=(self.roles.group, self.roles.id),
            dates=self.dates,
            drop=self.roles.drop,
            place="data.extract.query",
            separator=self.separator,
        )
        path = ""
        waiting: list[Row] = []
        for page in pages:
            path = page.path
            for nested in page.rows:
                waiting += flat(nested, self.separator, self.explode)
            if len(waiting) >= _ROWS_AT_ONCE:
                _append(columns, waiting)
                waiting = []
        _append(columns, waiting)
        if not len(columns):
            raise UserError(
                f"data.extract.query gives no rows at {path}",
                "correct its arguments, or data.extract.variables",
                key="data.extract.query",
            )
        return columns.frame(self.roles.id), path


def _append(columns: Columns, rows: list[Row]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns.append(names, [[row.get(name) for row in rows] for name in names], len(rows))
