"""A GraphQL server on the loopback: real HTTP, real execution of queries over rows that a test gives."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], str]
"""Status, headers and body."""


@dataclass
class GraphqlServer:
    """Answers `rows`, which the test sets: a list of objects of one shape.

    rows(first, after)       a connection with edges, nodes and pageInfo; the cursor is a row's number
    page(offset, limit)      a list
    all                      a list of everything

    script    what the next requests get instead, one each: an answer, or None, which is none at all
    stuck     every page has the cursor of the first
    token     what the header `Authorization` must be, if anything
    requests  the requests so far: headers and body
    """

    url: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    script: list[Answer | None] = field(default_factory=list)
    stuck: bool = False
    token: str | None = None
    requests: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def answer(self, headers: dict[str, str], body: dict[str, Any]) -> Answer | None:
        self.requests.append((headers, body))
        if self.script:
            return self.script.pop(0)
        if self.token is not None and headers.get("Authorization") != self.token:
            return 401, {}, "who are you?"
        return 200, {"Content-Type": "application/json"}, json.dumps(self._execute(body))

    def _execute(self, body: dict[str, Any]) -> Any:
        from graphql import graphql_sync

        done = graphql_sync(
            _schema(self.rows), body["query"], root_value=self._root(), variable_values=body.get("variables")
        )
        return done.formatted

    def _root(self) -> dict[str, Callable[..., Any]]:
        def connection(_: Any, first: int = 3, after: str | None = None) -> dict[str, Any]:
            start = 0 if after is None else int(after) + 1
            rows = self.rows[start : start + first]
            edges = [{"cursor": str(start + i), "node": row} for i, row in enumerate(rows)]
            end = "0" if self.stuck else str(start + len(rows) - 1)
            more = self.stuck or start + first < len(self.rows)
            return {"edges": edges, "nodes": rows, "pageInfo": {"hasNextPage": more, "endCursor": end}}

        def page(_: Any, offset: int = 0, limit: int = 3) -> list[Any]:
            start = 0 if self.stuck else offset
            return self.rows[start : start + limit]

        return {"rows": connection, "page": page, "all": lambda _: self.rows}


def _schema(rows: list[dict[str, Any]]) -> Any:
    import graphql as g

    def type_of(name: str, values: list[Any]) -> Any:
        known = [value for value in values if value is not None]
        if name == "id":
            return g.GraphQLID
        if any(isinstance(value, dict) for value in known):
            return object_of(name.title(), known)
        if any(isinstance(value, list) for value in known):
            return g.GraphQLList(type_of(name, [item for value in known for item in value]))
        for python, scalar in ((bool, g.GraphQLBoolean), (int, g.GraphQLInt), (float, g.GraphQLFloat)):
            if known and all(type(value) is python for value in known):
                return scalar
        return g.GraphQLString

    def object_of(name: str, objects: list[dict[str, Any]]) -> Any:
        names = list(dict.fromkeys(key for found in objects for key in found))
        fields = {key: g.GraphQLField(type_of(key, [found.get(key) for found in objects])) for key in names}
        return g.GraphQLObjectType(name, fields or {"nothing": g.GraphQLField(g.GraphQLInt)})

    def the(**fields: Any) -> dict[str, Any]:
        return {name: g.GraphQLField(kind) for name, kind in fields.items()}

    row = object_of("Row", rows)
    info = g.GraphQLObjectType("PageInfo", the(hasNextPage=g.GraphQLBoolean, endCursor=g.GraphQLString))
    edge = g.GraphQLObjectType("Edge", the(cursor=g.GraphQLString, node=row))
    lists = the(edges=g.GraphQLList(edge), nodes=g.GraphQLList(row), pageInfo=info)
    argument = {
        name: g.GraphQLArgument(g.GraphQLString if name == "after" else g.GraphQLInt)
        for name in ("first", "after", "offset", "limit")
    }
    query = {
        "rows": g.GraphQLField(
            g.GraphQLObjectType("Rows", lists), {name: argument[name] for name in ("first", "after")}
        ),
        "page": g.GraphQLField(g.GraphQLList(row), {name: argument[name] for name in ("offset", "limit")}),
        "all": g.GraphQLField(g.GraphQLList(row)),
    }
    return g.GraphQLSchema(g.GraphQLObjectType("Query", query))


@contextmanager
def running() -> Iterator[GraphqlServer]:
    """The server, until the end of the `with` block."""
    server = GraphqlServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = server.answer(dict(self.headers), body)
            if answer is None:  # says nothing until the test is over
                server.released.wait(30)
                self.close_connection = True
                return
            status, headers, text = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            """Keeps the tests' output clean."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}/graphql"
    try:
        yield server
    finally:
        server.released.set()
        http.shutdown()
        http.server_close()
        thread.join()
