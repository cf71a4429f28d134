"""How many processor cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Of a container (cgroup version 2): `QUOTA PERIOD` in microseconds, or `max PERIOD`."""


def usable_cores() -> int:
    """Those that the process may run on, and not more than a container's quota of CPU time is worth; >= 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text().split()
        return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no container, or an earlier version of cgroups
        return cores
