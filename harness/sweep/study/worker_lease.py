"""Decides whether a worker is dead."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from harness.runs.journal import alive


class WorkerLease:
    """Observes the heartbeats of the workers on other machines.

    Args:
        seconds: without a heartbeat, after which such a worker counts as dead.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._observed: dict[str, tuple[Any, float]] = {}

    def is_dead(self, worker: Mapping[str, Any], stored: Mapping[str, Any] | None) -> bool:
        """On this machine the operating system knows; elsewhere, no heartbeat during the lease is a death.

        Args:
            stored: the worker's last heartbeat.
        """
        here = alive(worker)
        if here is not None:
            return not here
        heartbeat = None if stored is None else (stored.get("token"), stored["beat"])
        # Clocks of two machines may differ: what counts is how long, by our clock, nothing has changed.
        known, since = self._observed.get(worker["token"], (None, None))
        if since is None or known != heartbeat:
            self._observed[worker["token"]] = heartbeat, time.monotonic()
            return False
        return time.monotonic() - since > self._seconds

    def forget(self) -> None:
        """Observes the heartbeats anew: while the database was away, no worker could send any."""
        self._observed.clear()
