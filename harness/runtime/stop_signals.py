"""Handling of SIGINT and SIGTERM: a training stops after its current step."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from harness.core.errors import Interrupted
from harness.runtime.process_group import highest

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_LOOK_INTERVAL = 0.05
"""Seconds between two looks at the handlers: steps may take a fraction of a millisecond."""

_SAME_REQUEST = 5.0
"""Seconds within which SIGINT and SIGTERM are one request: on Ctrl-C a worker gets SIGINT from the terminal
and SIGTERM from its command."""


class Stop:
    """Calling it returns whether a signal came. Within `with stop:` it handles Ctrl-C and SIGTERM.

    Within `with stop.after_step():`, where a training runs, the first signal only sets the answer: the
    training ends after its step, and the run is closed in order. Outside of it, and at a second signal, it
    raises `Interrupted` at once. A repetition of the same request within a short time is ignored. A handler
    that other code has installed meanwhile is replaced after a step, .05 seconds later at most.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self.waits_for_step = False
        self._since = self._looks_at = 0.0
        self._before: dict[int, Any] = {}

    def __call__(self) -> bool:
        now = time.monotonic()
        if now >= self._looks_at:
            self._looks_at = now + _LOOK_INTERVAL
            self._take_back()
        return self.signum is not None

    def _take_back(self) -> None:
        """Replaces the handlers that other code has installed."""
        for number in self._before:
            if signal.getsignal(number) != self._receive and _in_main_thread():
                signal.signal(number, self._receive)

    @contextmanager
    def after_step(self) -> Iterator[None]:
        """Within this context, the first signal ends the training after its step."""
        before, self.waits_for_step = self.waits_for_step, True
        try:
            yield
        finally:
            self.waits_for_step = before

    def raise_if_asked(self) -> None:
        """Raises `Interrupted` in all processes if any of them received a signal."""
        self.signum = int(highest(self.signum or 0)[0]) or None
        if self.signum is not None:
            raise Interrupted(self.signum)

    def __enter__(self) -> Stop:
        if _in_main_thread():
            self._before = {number: signal.signal(number, self._receive) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        del frame
        if self.signum is None:
            self.signum, self._since = signum, time.monotonic()
            if self.waits_for_step:
                return
        elif signum != self.signum and time.monotonic() - self._since <= _SAME_REQUEST:
            return
        raise Interrupted(signum)


@contextmanager
def keep_signals() -> Iterator[None]:
    """Within this context, an error that hides an interruption becomes that interruption again.

    A signal may come while third-party code opens a file, say. What that code does to clean up may then raise
    an error of its own, such as for a variable that has no value yet.

    Raises:
        Interrupted: instead of an error that was raised while an `Interrupted` was handled.
    """
    try:
        yield
    except Exception as error:
        hidden = error.__context__
        while hidden is not None and not isinstance(hidden, Interrupted):
            hidden = hidden.__context__
        if hidden is None:
            raise
        raise Interrupted(hidden.signum) from error


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
