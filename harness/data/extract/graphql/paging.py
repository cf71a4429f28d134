"""Paging: the variables that request the next page of a GraphQL answer."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from harness.core.errors import UnknownName, UserError
from harness.data.extract.graphql.find_rows import Listing

Variables = dict[str, Any]


class CursorPaging:
    """Paging by the last row's cursor, as in Relay's cursor connections specification.

    Args:
        cursor: the query's variable for it, often `after`.
        declared: the variables that the query declares.
    """

    def __init__(self, cursor: str, declared: Collection[str]) -> None:
        self._cursor, self._declared = cursor, declared
        self._seen: set[str] = set()

    def following(self, page: Listing, variables: Variables) -> Variables | None:
        """The variables of the next page; None after the last page.

        Raises:
            UserError: there are more pages but no cursor variable, or a cursor is repeated.
        """
        if self._cursor in self._declared and (page.page is None or "hasNextPage" not in page.page):
            raise UserError(
                f"data.extract.query asks for pages by ${self._cursor}, and {page.path} comes without a word "
                "on whether there are more",
                "ask for pageInfo { hasNextPage endCursor } beside it",
                key="data.extract.query",
            )
        if page.page is None or not page.page.get("hasNextPage"):
            return None
        if self._cursor not in self._declared:
            raise UserError(
                f"{page.path} has further pages, and data.extract.query declares no variable ${self._cursor} "
                "to ask for them",
                f"declare it and hand it to the field as after: ${self._cursor}, or name "
                "another with data.extract.cursor=NAME",
                key="data.extract.query",
            )
        end = page.page.get("endCursor")
        if not isinstance(end, str) or not end:
            raise UserError(
                f"{page.path} has further pages, and its pageInfo holds no endCursor",
                "ask for pageInfo { hasNextPage endCursor } in data.extract.query",
            )
        if end in self._seen:
            raise UserError(
                f"the server gives the cursor {end!r} twice, so that its pages would never end",
                "hand "
                f"${self._cursor} to the field in data.extract.query (after: ${self._cursor}), or report it "
                "to the server's owner",
            )
        self._seen.add(end)
        return variables | {self._cursor: end}


class OffsetPaging:
    """Paging by the number of rows read so far, until a page is empty.

    Args:
        offset: the query's variable for it.
        first: its value on the first page.
        declared: the variables that the query declares.

    Raises:
        UserError: the query does not declare it, or its first value is not a number.
    """

    def __init__(self, offset: str, first: Any, declared: Collection[str]) -> None:
        if offset not in declared:
            raise UnknownName(
                f"data.extract.offset={offset} is no variable that data.extract.query declares",
                offset,
                declared,
                key="data.extract.offset",
            )
        if not isinstance(first, int):
            raise UserError(
                f"data.extract.variables.{offset} must be the number of rows to skip, got {first!r}",
                "leave it out to begin with the first",
                key="data.extract.variables",
            )
        self._offset = offset
        self._read = first
        self._last: list[Any] | None = None

    def following(self, page: Listing, variables: Variables) -> Variables | None:
        """The variables of the next page; None after the last page.

        Raises:
            UserError: a page equals the page before it.
        """
        if not page.rows:
            return None
        if page.rows == self._last:
            raise UserError(
                f"the server gives the same page again at offset {self._read}, so that its pages would never "
                "end",
                f"hand ${self._offset} to the field in data.extract.query",
            )
        self._last = page.rows
        self._read += len(page.rows)
        return variables | {self._offset: self._read}
