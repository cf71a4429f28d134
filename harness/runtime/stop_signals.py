"""Stop: the question `shall I stop?`, asked after every step, and the signals that answer it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from harness.core.errors import Interrupted
from harness.runtime.distributed import highest

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_ONE_WISH = 5.0
"""Seconds within which SIGINT and SIGTERM are one wish: a worker hears Ctrl-C and its command's word."""


class Stop:
    """Calling it says whether a signal came. Within `with stop:` it listens for Ctrl-C and SIGTERM.

    While training (`with stop.kindly():`) the first signal only sets the answer, so that the step
    ends and the run is closed in order; at any other station, and at the second signal that is a wish of its
    own, it raises `Interrupted` at once. The echo of a wish that was heard changes nothing at any station.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._kind = False
        self._since = 0.0
        self._before: dict[int, Any] = {}

    def __call__(self) -> bool:
        return self.signum is not None

    @contextmanager
    def kindly(self) -> Iterator[None]:
        self._kind = True
        try:
            yield
        finally:
            self._kind = False

    def raise_if_asked(self) -> None:
        """Ends the run after a training that a signal cut short, in whichever process it was heard."""
        self.signum = int(highest(self.signum or 0)[0]) or None
        if self.signum is not None:
            raise Interrupted(self.signum)

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._heard) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _heard(self, signum: int, frame: FrameType | None) -> None:
        del frame
        if self.signum is None:
            self.signum, self._since = signum, time.monotonic()
            if self._kind:
                return
        elif signum != self.signum and time.monotonic() - self._since <= _ONE_WISH:
            return
        raise Interrupted(signum)
