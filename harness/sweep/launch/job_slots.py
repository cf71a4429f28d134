"""The slots in which jobs run side by side, each with its share of CPU threads and GPUs."""

from __future__ import annotations

import heapq
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.core.errors import UserError
from harness.runtime.energy_meter import GPU_SHARE

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Slots:
    """Numbers from 0 to `count`-1, each held by one job at a time; shared by threads."""

    def __init__(self, count: int) -> None:
        self._free = list(range(count))
        self._given_back = threading.Condition()

    @contextmanager
    def one(self) -> Iterator[int]:
        """The lowest free slot; waits for one where all are held."""
        with self._given_back:
            self._given_back.wait_for(lambda: self._free)
            slot = heapq.heappop(self._free)
        try:
            yield slot
        finally:
            with self._given_back:
                heapq.heappush(self._free, slot)
                self._given_back.notify()


def environment(slot: int, threads: int, gpus: Sequence[Sequence[str]] | None) -> dict[str, str]:
    """The variables of a job: its slot, its CPU threads, which GPUs it sees, and which part of them it has.

    Args:
        threads: of torch and numpy; a variable that the user has set stays.
        gpus: the names of those of each slot; None: whatever there is.
    """
    shares = {name: str(threads) for name in _THREADS if name not in os.environ}
    seen = {} if gpus is None else {"CUDA_VISIBLE_DEVICES": ",".join(gpus[slot])}
    if gpus is not None and gpus[slot]:
        seen[GPU_SHARE] = str(1 / sum(gpus[slot][0] in others for others in gpus))
    return {"HARNESS_SLOT": str(slot), **shares, **seen}


def threads_each(count: int) -> int:
    """CPU threads per slot, where `count` slots share what this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, allowed // count)


def share_gpus(gpus: Sequence[str], count: int, each: float | None) -> list[list[str]] | None:
    """Which GPUs each of `count` slots sees; None: each sees whatever there is.

    Args:
        gpus: the GPUs' names.
        each: GPUs per slot, a whole number or a fraction; None: all that were found, evenly.

    Raises:
        UserError: there are fewer than needed.
    """
    if each is None:
        if not gpus:
            return None
        return [list(gpus[slot::count]) or [gpus[slot % len(gpus)]] for slot in range(count)]
    per_gpu = int(1 / each) if 0 < each < 1 else 1
    whole = int(each) if each >= 1 else 1
    needed = 0 if each == 0 else -(-count // per_gpu) * whole
    if needed > len(gpus):
        raise UserError(
            f"hydra.launcher.gpus={each:g} for {count} worker{'s' if count > 1 else ''} takes {needed} "
            f"GPU{'s' if needed > 1 else ''}, and {len(gpus) or 'none'} can be seen",
            "lower hydra.launcher.gpus (0.5 puts two workers on one GPU) or sweep.workers",
        )
    if each == 0:
        return [[] for _ in range(count)]
    return [list(gpus[slot // per_gpu * whole :][:whole]) for slot in range(count)]


def gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them, without torch.

    Names instead of numbers: CUDA counts the fastest first, nvidia-smi by their place in the machine.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        # CUDA's own rule: what follows the first name that is none is not seen.
        end = next((place for place, name in enumerate(names) if name in ("", "-1")), len(names))
        return names[:end]
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return listed_gpus(listed)


def listed_gpus(text: str) -> list[str]:
    """The names in what `nvidia-smi -L` prints; of a GPU that is divided (MIG), those of its parts."""
    gpus: list[str] = []
    for kind, name in re.findall(r"UUID: ((?:GPU|MIG)-)([^)\s]+)", text):
        if kind == "MIG-" and gpus and gpus[-1].startswith("GPU-"):
            gpus.pop()
        gpus.append(f"{kind}{name}")
    return gpus
