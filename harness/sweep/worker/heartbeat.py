"""Heartbeat: a worker's signs of life, and its ear for the word to stop."""

from __future__ import annotations

import os
import signal
import threading
from types import TracebackType
from typing import Any

from harness.sweep.study.trial_queue import TrialQueue

_LISTEN = 2.0
"""Seconds between two looks for the word to stop."""

_OFTEN = 10.0
"""Seconds between two signs of life at most, for whoever watches the table."""


class Heartbeat:
    """A thread that beats while the worker works: `with Heartbeat(ledger, …) as heart`.

    The word to stop reaches the training as SIGTERM would: it ends its step, writes a checkpoint, and its
    trial waits for another worker.

    Args:
        lease: seconds after which a silent worker counts as dead; it beats four times as often at least.
        launch: whose word to stop is meant for this worker.
    """

    def __init__(self, ledger: TrialQueue, lease: float, launch: str) -> None:
        self.facts: dict[str, Any] = {}
        self._ledger = ledger
        self._pause = min(lease / 4, _OFTEN)
        self._launch = launch
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._ledger.beat("working")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(timeout=5)
        self._ledger.beat("left", self.facts)

    def _run(self) -> None:
        waited, told = 0.0, False
        while not self._over.wait(min(_LISTEN, self._pause)):
            waited += min(_LISTEN, self._pause)
            try:
                if waited >= self._pause:
                    self._ledger.beat("working", dict(self.facts))
                    waited = 0.0
                if not told and self._ledger.stopped(self._launch) is not None:
                    told = True
                    os.kill(os.getpid(), signal.SIGTERM)
            except Exception:
                # A database that is away for a moment: the training goes on, and the next beat tries again.
                continue
