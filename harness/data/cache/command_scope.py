"""Command: what one command line shares among its folds, trials and processes."""

from __future__ import annotations

import os
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from harness.data.cache.cache_store import Store

T = TypeVar("T")

_VARIABLE = "HARNESS_COMMAND"
_MOST_TABLES = 4
_MOST_VALUES = 64
_MOST_BYTES = 2**29
"""Of the fitted arrays of all folds that are kept in memory."""


class Command:
    """Knows the tables that the command has read. A remote source is read once for each command.

    The entry point imports this module, so it imports little; a table therefore has no type here.

    Args:
        token: identifies the command.
        many: whether it has several runs, perhaps in other processes, which then share what the cache's
            folder holds for this command.
    """

    def __init__(self, token: str, many: bool) -> None:
        self.token = token
        self.many = many
        self.folders: set[Path] = set()
        self._tables: OrderedDict[str, Any] = OrderedDict()
        self._fitted: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._values: OrderedDict[str, Any] = OrderedDict()

    def table(self, key: str) -> Any:
        """The table that was read before in this process, if it is among the last few."""
        if key in self._tables:
            self._tables.move_to_end(key)
        return self._tables.get(key)

    def remember(self, key: str, table: Any) -> None:
        """Keeps a table in memory for the runs to come; a command of one run has none."""
        if self.many:
            self._tables[key] = table
            while len(self._tables) > _MOST_TABLES:
                self._tables.popitem(last=False)

    def fitted(self, key: str) -> Any:
        """What was fitted before in this process, if it is among the last."""
        if key in self._fitted:
            self._fitted.move_to_end(key)
        return self._fitted.get(key, (None, 0))[0]

    def remember_fitted(self, key: str, content: Any, size: int) -> None:
        """As `remember`; `size` is in bytes."""
        if self.many:
            self._fitted[key] = content, size
            while sum(size for _, size in self._fitted.values()) > _MOST_BYTES:
                self._fitted.popitem(last=False)

    def shared(self, key: str, make: Callable[[], T]) -> T:
        """What `make` returns, made once for the folds and runs of this process that have this key."""
        known: T | None = self.values(key)
        if known is None:
            known = make()
            self.remember_values(key, known)
        return known

    def values(self, key: str) -> Any:
        """What an earlier check of the rows found in this process; None where there was none."""
        return self._values.get(key)

    def remember_values(self, key: str, values: Any) -> None:
        """Keeps a value in memory, for the folds of one run as well."""
        self._values[key] = values
        while len(self._values) > _MOST_VALUES:
            self._values.popitem(last=False)


_current: Command | None = None


def current() -> Command:
    """The command that this process works for; a call from Python is one of its own each time."""
    global _current
    token = os.environ.get(_VARIABLE)
    if token is not None and (_current is None or _current.token != token):  # a worker of that command
        _current = Command(token, many=True)
    return _current or Command(secrets.token_hex(8), many=False)


@contextmanager
def command(many: bool, token: str | None = None) -> Iterator[Command]:
    """What is run within it is one command; what the cache kept for it alone is removed at its end.

    Args:
        token: of a command that several processes work for; None: a new one.
    """
    global _current
    before = _current, os.environ.get(_VARIABLE)
    own = _current = Command(token or secrets.token_hex(8), many)
    os.environ[_VARIABLE] = own.token
    try:
        yield own
    finally:
        _current, variable = before
        os.environ.pop(_VARIABLE)
        if variable is not None:
            os.environ[_VARIABLE] = variable
        for folder in own.folders:
            Store(folder, 0).drop(f"{own.token}-")
