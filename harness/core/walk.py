"""The stations that the rows of a run pass, for the debug switch `harness.walk=true`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[str], None] | None] = ContextVar("walk", default=None)


def passes(station: str) -> None:
    """Reports that the rows are at a station; without a listener nothing happens."""
    listener = _listener.get()
    if listener is not None:
        listener(station)


@contextmanager
def walk_printed(wanted: bool, say: Callable[[str], object] = print) -> Iterator[None]:
    """Within it, each station is printed when it is passed for the first time."""
    if not wanted:
        yield
        return
    passed: list[str] = []

    def listen(station: str) -> None:
        if station not in passed:
            passed.append(station)
            say(f"walk: {station}")

    token = _listener.set(listen)
    try:
        yield
    finally:
        _listener.reset(token)
