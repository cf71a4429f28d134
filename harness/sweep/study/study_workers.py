"""The workers of a study: their heartbeats, and requests to stop."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any, Literal

import optuna

from harness.runs.journal import writer
from harness.sweep.study.optuna_internals import storage_of, study_id
from harness.sweep.study.worker_lease import WorkerLease

Identity = Mapping[str, Any]

# Attributes of studies. Sweeps of earlier versions have them too, so they never change.
STOP = "harness:stop"
WORKER = "harness:worker:"


class StudyWorkers:
    """What one process knows of the workers of a study, itself included.

    Args:
        study: whose storage holds everything.
        name: of the worker, as the screen shows it.
        lease: seconds without a heartbeat after which a worker on another machine counts as dead.
        presence: the key under which this worker's heartbeats are stored, see `send_heartbeat`.
    """

    def __init__(self, study: optuna.Study, name: str, lease: float, presence: str) -> None:
        self.study = study
        self.name = name
        self._storage = storage_of(study)
        self._id = study_id(study)
        self.lease = WorkerLease(lease)
        self._presence = presence
        self._token = uuid.uuid4().hex

    def stop(self, reason: str | None, launch: str = "") -> None:
        """Lets no further trial start; None undoes that.

        Args:
            launch: only the workers of this launch stop, and they also interrupt their running trials.
        """
        self.study.set_user_attr(f"{STOP}:{launch}" if launch else STOP, reason)

    def stop_reason(self, launch: str = "") -> str | None:
        """Why no further trial starts, or why the workers of a launch must stop; None if they continue."""
        reason = self._attributes().get(f"{STOP}:{launch}" if launch else STOP)
        return None if reason is None else str(reason)

    def send_heartbeat(
        self, state: Literal["working", "left"], attributes: Mapping[str, Any] | None = None
    ) -> None:
        """Stores a heartbeat of this worker, which differs from the one before."""
        heartbeat = {**self._identity(), "state": state, "beat": time.time(), **(attributes or {})}
        self.study.set_user_attr(WORKER + self._presence, heartbeat)

    def workers(self) -> dict[str, dict[str, Any]]:
        """The last heartbeat of every worker by its `presence`, with `dead` added."""
        return {
            key.removeprefix(WORKER): {**heartbeat, "dead": self._is_dead(heartbeat)}
            for key, heartbeat in self._attributes().items()
            if key.startswith(WORKER)
        }

    def _identity(self) -> dict[str, Any]:
        return {**writer(), "token": self._token, "name": self.name, "presence": self._presence}

    def _is_dead(self, worker: Identity) -> bool:
        stored = self._attributes().get(WORKER + str(worker.get("presence")))
        return self.lease.is_dead(worker, stored)

    def _attributes(self) -> dict[str, Any]:
        return self._storage.get_study_user_attrs(self._id)
