"""The energy that this process uses: of its GPUs by NVML, of the processor by RAPL.

NVML  a counter of each GPU (Volta and later). A GPU that several workers share counts for each in part.
RAPL  the counters of Intel and AMD processors in Linux's `/sys/class/powercap`, packages and memory. Of
      what the machine uses, this process has its part of the processor time of all processes. Linux lets
      only root read them, unless the administrator permits it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

GPU_SHARE = "HARNESS_GPU_SHARE"
"""The variable that says which part of its GPUs a worker has; launchers set it."""

_POWERCAP, _STAT = Path("/sys/class/powercap"), Path("/proc/stat")
_MICRO, _MILLI = 1e-6, 1e-3


def gpu_share() -> float:
    """Which part of its GPUs this process has: 0.5 where two workers share one."""
    try:
        return float(os.environ.get(GPU_SHARE, "1"))
    except ValueError:
        return 1.0


def held_gpus() -> list[int]:
    """The GPUs, as torch numbers them, on which this process and its like under torchrun compute."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return []
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return list(range(local)) if local > 1 else [int(torch.cuda.current_device())]


class EnergyMeter:
    """Counts joules from its construction on; where nothing can be read, `sources` is empty.

    Args:
        powercap: where the counters of RAPL are.
        stat: the processor time of the machine, as in proc(5).
    """

    def __init__(self, powercap: Path = _POWERCAP, stat: Path = _STAT) -> None:
        self._processor = _Processor.found(powercap, stat)
        self._gpus = _Gpus.found()
        self._joules: float | None = None if self._processor is None else 0.0

    @property
    def sources(self) -> tuple[str, ...]:
        """What is read: "NVML" for GPUs, "RAPL" for the processor."""
        named = {"NVML": self._gpus, "RAPL": self._processor}
        return tuple(name for name, source in named.items() if source is not None)

    def read(self) -> float | None:
        """Joules so far; None where nothing can be read: with NVML alone, until a GPU is used."""
        for source in (self._processor, self._gpus):
            used = None if source is None else source.since_last()
            if used is not None:
                self._joules = (self._joules or 0.0) + used
        return self._joules


class _Processor:
    """The counters of RAPL, and the part of them that this process has used."""

    def __init__(self, zones: list[Path], stat: Path) -> None:
        self._zones, self._stat = zones, stat
        self._counters, self._times = self._read(), self._processor_times()

    @classmethod
    def found(cls, powercap: Path, stat: Path) -> _Processor | None:
        """None where no counter can be read."""
        zones = [zone for zone in sorted(powercap.glob("intel-rapl:*")) if _counts(zone)]
        try:
            return cls(zones, stat) if zones else None
        except (OSError, ValueError, IndexError):
            return None

    def since_last(self) -> float | None:
        """Joules of this process since the call before; None where the counters cannot be read now."""
        try:
            counters, (own, busy) = self._read(), self._processor_times()
        except (OSError, ValueError, IndexError):
            return None
        used = sum(
            (now - before) % (limit + 1)  # a counter begins at 0 again after its limit
            for (now, limit), (before, _) in zip(counters, self._counters, strict=True)
        )
        part = (own - self._times[0]) / max(busy - self._times[1], 1e-9)
        self._counters, self._times = counters, (own, busy)
        return used * _MICRO * min(max(part, 0.0), 1.0)

    def _read(self) -> list[tuple[int, int]]:
        """Microjoules of each zone, and the largest number that its counter shows."""
        return [
            (int((zone / "energy_uj").read_text()), int((zone / "max_energy_range_uj").read_text()))
            for zone in self._zones
        ]

    def _processor_times(self) -> tuple[float, float]:
        """Seconds of processor time of this process, with children that have ended, and of all processes."""
        fields = [int(field) for field in self._stat.read_text().split("\n", 1)[0].split()[1:9]]
        user, nice, system, _, _, *interrupts = fields
        return sum(os.times()[:4]), (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def _counts(zone: Path) -> bool:
    """Whether a zone is a package, or memory beside it: other zones are parts of these."""
    with suppress(OSError, ValueError):
        int((zone / "energy_uj").read_text())
        return (zone / "name").read_text().strip().startswith(("package", "dram"))
    return False


class _Gpus:
    """The energy counters of the GPUs that this process uses."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        self._before: dict[int, int] = {}

    @classmethod
    def found(cls) -> _Gpus | None:
        """None without a GPU that counts its energy, or without the package nvidia-ml-py."""
        if importlib.util.find_spec("pynvml") is None:
            return None
        import pynvml

        try:
            pynvml.nvmlInit()
            for number in range(pynvml.nvmlDeviceGetCount()):
                pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByIndex(number))
                return cls(pynvml)
        except pynvml.NVMLError:
            return None
        return None

    def since_last(self) -> float | None:
        """Joules since the call before; None while no GPU is used."""
        used = None
        for number in held_gpus():
            try:
                counter = int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle(number)))
            except self._nvml.NVMLError:
                continue
            used = (used or 0.0) + (counter - self._before.get(number, counter)) * _MILLI * gpu_share()
            self._before[number] = counter
        return used

    def _handle(self, number: int) -> Any:
        """NVML counts all GPUs of the machine, torch those in CUDA_VISIBLE_DEVICES."""
        names = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        name = names[number] if number < len(names) else str(number)
        if name.isdigit():
            return self._nvml.nvmlDeviceGetHandleByIndex(int(name))
        return self._nvml.nvmlDeviceGetHandleByUUID(name)
