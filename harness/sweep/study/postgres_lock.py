"""Mutual exclusion among all clients of one PostgreSQL database."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

from harness.core.errors import UserError
from harness.sweep.study.file_lock import in_forked_children
from harness.sweep.study.storage_address import Address

_log = logging.getLogger(__name__)

_INHERITED: list[Any] = []
"""A parent's connections, kept so that nothing closes them, which would say goodbye in its name."""


class PostgresLock:
    """A session-level advisory lock of PostgreSQL, on a connection of its own that is kept open.

    The server takes it back when the connection ends; that of a machine which vanished ends within half a
    minute. A forked child closes its copy of the socket without a word to the server.

    Args:
        address: of the server.
        name: what is locked, in that database.

    Raises:
        UserError: the server cannot be reached, or a pool before it does not keep sessions apart.
        psycopg.OperationalError: the server went away while one waited.
    """

    def __init__(self, address: Address, name: str) -> None:
        self._address = address
        self._key = key_of(name)
        self._connection: Any = None
        self._threads = threading.Lock()
        in_forked_children(self._leave_to_parent)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._threads:
            try:
                self._acquire()
                yield
            except BaseException:  # also of an interruption that came before it was known who has the lock
                self._drop()
                raise
            if self._connection is not None:  # it is None where the block was left in a forked child
                self._release()

    def __del__(self) -> None:
        self._drop()

    def _acquire(self) -> None:
        if self._connection is not None:
            from psycopg import OperationalError

            try:
                self._ask("select pg_advisory_lock(%s)")
                return
            except OperationalError:  # an idle connection is lost to a restart or a firewall
                self._drop()
        self._connection = self._address.connect()
        self._ask("select pg_advisory_lock(%s)")

    def _release(self) -> None:
        from psycopg import OperationalError

        try:
            held = self._ask("select pg_advisory_unlock(%s)")
        except OperationalError as error:
            self._drop()
            _log.warning("%s was lost while it held a study's lock: %s", self._address.label, error)
            return
        except BaseException:
            self._drop()
            raise
        if not held:
            self._drop()
            raise UserError(
                f"sweep.storage: {self._address.label} does not keep a session's locks",
                "name the server itself, not a pool of connections in transaction mode",
                key="sweep.storage",
            )

    def _ask(self, question: str) -> Any:
        return self._connection.execute(question, (self._key,)).fetchone()[0]

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _leave_to_parent(self) -> None:
        if self._connection is not None and not self._connection.closed:
            os.close(self._connection.fileno())
            _INHERITED.append(self._connection)
        self._connection = None
        self._threads = threading.Lock()


def key_of(name: str) -> int:
    """The same 64-bit signed integer for a name in every process; PostgreSQL's locks are numbers."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
