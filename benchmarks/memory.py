"""Memory of processes, as Linux counts it."""

from __future__ import annotations

from pathlib import Path


def peak() -> float:
    """The most that this process has had in memory so far, in MB.

    `VmHWM` rather than `ru_maxrss`, which a process inherits from the one that started it.
    """
    return _megabytes(Path("/proc/self/status"), "VmHWM")


def held() -> float:
    """What this process and all that it has started hold together, in MB; what several share counts once."""
    return sum(_megabytes(folder / "smaps_rollup", "Pss") for folder in _family(Path("/proc/self").resolve()))


def _family(process: Path) -> list[Path]:
    children = (process / "task" / process.name / "children").read_text().split()
    return [process, *(member for child in children for member in _family(process.parent / child))]


def _megabytes(path: Path, name: str) -> float:
    lines = path.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1000
