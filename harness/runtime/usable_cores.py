"""How many processor cores this process may use, and whether one of them has nothing to do."""

from __future__ import annotations

import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Of a container (cgroup version 2): `QUOTA PERIOD` in microseconds, or `max PERIOD`."""

_OWN = 0.5
"""The load of the last minute also counts this process, and those that have just ended before it."""


def usable_cores() -> int:
    """Those that the process may run on, and not more than a container's quota of CPU time is worth; >= 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text().split()
        return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no container, or an earlier version of cgroups
        return cores


def has_idle_core(threads: int) -> bool:
    """Whether a core is there for work beside the threads of this process: of the last minute, on average.

    Threads of OpenMP wait for each other in a loop: if one of them shares its core, all lose time.

    False where the system does not say how many processes want to run. Only for decisions that change no
    result.
    """
    cores = usable_cores()
    try:
        return cores > threads and os.getloadavg()[0] < cores - _OWN
    except (AttributeError, OSError):
        return False
