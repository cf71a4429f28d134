"""System metrics of a run: CPU, memory, disk, network and GPUs, sampled while it works.

The training process samples in a thread and writes into the journal, as it does with scores. So nothing is
lost while MLflow is away, and the training process is measured itself. Names are those of MLflow's own
system metrics, which its page shows in a tab; those of the process are ours.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.core.errors import UserError
from harness.runs.journal import Journal
from harness.runtime.mlflow_environment import SAMPLING_INTERVAL, variable

PREFIX = "system/"
"""Of the names; MLflow shows metrics with this prefix in the tab of system metrics."""

_INTERVAL = 10.0
_MEGABYTE = 1e6


def sampling_interval() -> float:
    """Returns the seconds between two samples: MLflow's variable, else 10.

    Raises:
        ValueError: the variable is no number above 0.
    """
    text = variable(SAMPLING_INTERVAL)
    try:
        seconds = _INTERVAL if text is None else float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"{SAMPLING_INTERVAL} must be a number of seconds above 0, got {text!r}")
    return seconds


def require_packages() -> None:
    """Raises UserError if a package that reads the metrics is not installed."""
    missing = [name for name, module in _PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise UserError(
            f"tracking.system_metrics=true needs {' and '.join(missing)}, which {_is(missing)} not installed",
            "run pip install 'harness[system]'",
            key="tracking.system_metrics",
        )


_PACKAGES = {"psutil": "psutil", "nvidia-ml-py": "pynvml"}


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


class SystemSampler:
    """Writes a sample every few seconds from now until `stop`, and one then.

    A sample is a mean over the time since the one before (CPU), or the state at its time (all else).

    Args:
        journal: of the run; samples belong to the run itself, not to one of its folds.
        folder: of the run; its disk is measured.
        step: of the first sample: a resumed run goes on counting.
        interval: seconds between two samples.
    """

    def __init__(self, journal: Journal, folder: Path, step: int, interval: float) -> None:
        self._journal, self._folder, self._step, self._interval = journal, folder, step, interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="system metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Writes the last sample; from then on nothing is written. A second call does nothing."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            machine = Machine(self._folder)
            while not self._ended.wait(self._interval):
                self._write(machine)
            self._write(machine)
        except Exception as error:  # a measurement must not end a training
            logging.getLogger("harness").warning("the system metrics ended: %r", error)

    def _write(self, machine: Machine) -> None:
        self._journal.system("", self._step, {f"{PREFIX}{n}": value for n, value in machine.read().items()})
        self._step += 1


class Machine:
    """Reads the metrics of this machine and this process; CPU and network count from the construction.

    Args:
        folder: its disk is measured.
    """

    def __init__(self, folder: Path) -> None:
        import psutil

        self._psutil: Any = psutil
        self._folder = folder
        self._process = psutil.Process()
        self._network = psutil.net_io_counters()
        self._gpus, self._nvml = _gpus()
        psutil.cpu_percent()  # which returns the use since its last call
        self._process.cpu_percent()

    def read(self) -> dict[str, float]:
        """Name -> percent, or millions of bytes, or watts.

        `process_cpu_utilization_percentage` is 100 for each core that is used fully.
        """
        memory, disk = self._psutil.virtual_memory(), self._psutil.disk_usage(str(self._folder))
        values = {
            "cpu_utilization_percentage": self._psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / _MEGABYTE,
            "system_memory_usage_percentage": 100 * memory.used / memory.total,
            "process_cpu_utilization_percentage": self._process.cpu_percent(),
            "process_memory_usage_megabytes": self._process.memory_info().rss / _MEGABYTE,
            "disk_usage_percentage": disk.percent,
            "disk_usage_megabytes": disk.used / _MEGABYTE,
            "disk_available_megabytes": disk.free / _MEGABYTE,
        }
        before, now = self._network, self._psutil.net_io_counters()
        if before is not None and now is not None:  # a container may have no network
            values["network_receive_megabytes"] = (now.bytes_recv - before.bytes_recv) / _MEGABYTE
            values["network_transmit_megabytes"] = (now.bytes_sent - before.bytes_sent) / _MEGABYTE
        for number, gpu in enumerate(self._gpus):
            values |= {f"gpu_{number}_{name}": value for name, value in self._read_gpu(gpu).items()}
        return {name: float(value) for name, value in values.items()}

    def _read_gpu(self, gpu: Any) -> dict[str, float]:
        """What this GPU reports: a part of a divided GPU, for example, has no use and no power of its own."""
        nvml, values = self._nvml, {}
        with suppress(nvml.NVMLError):
            memory = nvml.nvmlDeviceGetMemoryInfo(gpu)
            values["memory_usage_megabytes"] = memory.used / _MEGABYTE
            values["memory_usage_percentage"] = 100 * memory.used / memory.total
        with suppress(nvml.NVMLError):
            values["utilization_percentage"] = nvml.nvmlDeviceGetUtilizationRates(gpu).gpu
        with suppress(nvml.NVMLError):
            power = nvml.nvmlDeviceGetPowerUsage(gpu)  # thousandths of a watt
            values["power_usage_watts"] = power / 1000
            values["power_usage_percentage"] = 100 * power / nvml.nvmlDeviceGetEnforcedPowerLimit(gpu)
        return values


def _gpus() -> tuple[list[Any], Any]:
    """The NVIDIA GPUs of the machine, and NVIDIA's library; no GPUs without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(pynvml.nvmlDeviceGetCount())], pynvml
    except pynvml.NVMLError:
        return [], pynvml
