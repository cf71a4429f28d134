"""A worker's heartbeat, and how it learns that it must stop."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any

from harness.sweep.study.database_retry import Patience, StorageLost
from harness.sweep.study.trial_queue import TrialQueue

_STOP_INTERVAL = 2.0
"""Seconds between two checks of whether the worker must stop."""

_LONGEST_INTERVAL = 10.0
"""Most seconds between two heartbeats: the progress table shows what they contain."""


class Heartbeat:
    """A thread that sends heartbeats while the worker works: `with Heartbeat(queue, …) as heartbeat`.

    A request to stop reaches the training as SIGTERM would: it ends its step, writes a checkpoint, and its
    trial is requeued.

    Args:
        lease: seconds after which a silent worker counts as dead; at least four heartbeats fall into it.
        launch: whose stop requests this worker follows.
        patience: how it waits for the database at the beginning and at the end.
    """

    def __init__(self, queue: TrialQueue, lease: float, launch: str, patience: Patience) -> None:
        self.attributes: dict[str, Any] = {}
        self._queue = queue
        self._interval = min(lease / 4, _LONGEST_INTERVAL)
        self._launch = launch
        self._patience = patience
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._patience.wait(lambda: self._queue.send_heartbeat("working"))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=5)
        with suppress(StorageLost):
            self._patience.wait(lambda: self._queue.send_heartbeat("left", self.attributes))

    def _run(self) -> None:
        waited, signalled = 0.0, False
        pause = min(_STOP_INTERVAL, self._interval)
        while not self._ended.wait(pause):
            waited += pause
            try:
                if waited >= self._interval:
                    self._queue.send_heartbeat("working", dict(self.attributes))
                    waited = 0.0
                if not signalled and self._queue.stop_reason(self._launch) is not None:
                    signalled = True
                    os.kill(os.getpid(), signal.SIGTERM)
            except Exception:
                # The database may be away. The next turn tries again.
                self._queue.lease.forget()
