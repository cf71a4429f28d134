"""The steps of a run, printed by the debug switch `harness.walk=true`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[str], None] | None] = ContextVar("walk", default=None)


def passes(step: str) -> None:
    """Reports that the run has reached a step; without a listener nothing happens."""
    listener = _listener.get()
    if listener is not None:
        listener(step)


@contextmanager
def walk_printed(wanted: bool, say: Callable[[str], object] = print) -> Iterator[None]:
    """Within it, each step is printed when it is reached for the first time."""
    if not wanted:
        yield
        return
    passed: list[str] = []

    def listen(step: str) -> None:
        if step not in passed:
            passed.append(step)
            say(f"walk: {step}")

    token = _listener.set(listen)
    try:
        yield
    finally:
        _listener.reset(token)
