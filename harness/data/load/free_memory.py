"""How much memory a device has free, and amounts of it in words."""

from __future__ import annotations

import os
from pathlib import Path

import torch

_CGROUP = Path("/sys/fs/cgroup")
_FILES = {
    "memory.max": "memory.current",  # version 2
    "memory/memory.limit_in_bytes": "memory/memory.usage_in_bytes",  # version 1
}


def free(device: torch.device) -> int:
    """The bytes that are free on a device; elsewhere than on CUDA, those that are free to this process."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return min(available(), *_limits(_CGROUP))


def available(meminfo: Path = Path("/proc/meminfo")) -> int:
    """The bytes that the machine can give without swapping."""
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == "MemAvailable":
                return int(rest.split()[0]) * 1024  # the unit of /proc/meminfo is KiB
    # Without Linux's account of what it could free, half of all memory is a cautious guess.
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _limits(folder: Path) -> list[int]:
    """What a container's limits leave, one number per limit; the machine's size where there is none."""
    left = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for limit, usage in _FILES.items():
        if (folder / limit).exists() and (folder / usage).exists():
            most = (folder / limit).read_text().strip()
            if most != "max":
                left.append(max(0, int(most) - _held(folder / usage)))
    return left


def _held(usage: Path) -> int:
    """The bytes in use, but for the file cache that the kernel gives up first."""
    held, statistics = int(usage.read_text()), usage.with_name("memory.stat")
    if statistics.exists():
        entries = dict(line.split() for line in statistics.read_text().splitlines())
        held -= int(entries.get("total_inactive_file", entries.get("inactive_file", 0)))
    return max(0, held)


def amount(size: int) -> str:
    """Bytes in words: `0.5 MB`, `19.1 GB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
