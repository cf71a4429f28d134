from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.runtime import energy_meter
from harness.runtime.energy_meter import GPU_SHARE, EnergyMeter

TICKS = os.sysconf("SC_CLK_TCK")


class Machine:
    """A machine with the counters of RAPL, and the processor times of all processes and of this one."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.powercap, self.stat = folder / "powercap", folder / "stat"
        self.own = 0.0
        for zone, name in {
            "intel-rapl:0": "package-0",
            "intel-rapl:0:0": "core",
            "intel-rapl:0:1": "dram",
        }.items():
            (self.powercap / zone).mkdir(parents=True)
            (self.powercap / zone / "name").write_text(name + "\n")
            (self.powercap / zone / "max_energy_range_uj").write_text("9999999\n")
            self.set(zone, 9_000_000)
        self.busy(0)
        monkeypatch.setattr(os, "times", lambda: (self.own, 0.0, 0.0, 0.0, 0.0))

    def set(self, zone: str, microjoules: int) -> None:
        (self.powercap / zone / "energy_uj").write_text(f"{microjoules}\n")

    def busy(self, seconds: float) -> None:
        fields = [seconds * TICKS / 2, 0, seconds * TICKS / 2, 777, 88, 0, 0, 0, 0, 0]
        self.stat.write_text("cpu  " + " ".join(str(int(field)) for field in fields) + "\ncpu0 1 2\n")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr(energy_meter.importlib.util, "find_spec", lambda name: None)
    return Machine(tmp_path, monkeypatch)


def test_a_process_has_its_part_of_the_energy_of_processor_and_memory(machine: Machine) -> None:
    meter = EnergyMeter(machine.powercap, machine.stat)
    assert meter.sources == ("RAPL",)
    assert meter.read() == 0
    machine.own = 3.0
    machine.busy(4.0)
    machine.set("intel-rapl:0", 9_600_000)
    machine.set("intel-rapl:0:0", 9_500_000)  # the cores are part of the package
    machine.set("intel-rapl:0:1", 9_200_000)
    assert meter.read() == pytest.approx(0.75 * 0.8)
    machine.own, _ = 5.0, machine.busy(6.0)
    machine.set("intel-rapl:0", 100_000)  # the counter has begun at 0 again
    assert meter.read() == pytest.approx(0.75 * 0.8 + 0.5)


def test_without_a_counter_that_may_be_read_there_is_no_energy(machine: Machine, tmp_path: Path) -> None:
    for source in (tmp_path / "none", machine.powercap):
        meter = EnergyMeter(source, tmp_path / "no-stat")
        assert (meter.sources, meter.read()) == ((), None)


def nvml(counters: dict[Any, int], gpus: int) -> SimpleNamespace:
    """What the meter uses of NVIDIA's library, for GPUs with these counters in thousandths of a joule."""

    def energy(handle: Any) -> int:
        if handle not in counters:
            raise RuntimeError("not supported")
        return counters[handle]

    return SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: gpus,
        nvmlDeviceGetHandleByIndex=lambda number: number,
        nvmlDeviceGetHandleByUUID=lambda name: name,
        nvmlDeviceGetTotalEnergyConsumption=energy,
    )


@pytest.mark.parametrize(("visible", "gpu"), [("", 1), ("3,2", 2), ("GPU-a,GPU-b", "GPU-b")])
def test_a_gpu_counts_once_it_is_used_and_in_the_part_that_the_worker_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, visible: str, gpu: Any
) -> None:
    counters: dict[Any, int] = {0: 5, gpu: 10_000}
    monkeypatch.setitem(sys.modules, "pynvml", nvml(counters, 4))
    monkeypatch.setattr(energy_meter.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setenv(GPU_SHARE, "0.5")
    meter = EnergyMeter(tmp_path, tmp_path)
    assert (meter.sources, meter.read()) == (("NVML",), None)
    cuda = SimpleNamespace(is_initialized=lambda: True, current_device=lambda: 1)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert meter.read() == 0
    counters[gpu] += 4_000
    assert meter.read() == pytest.approx(2.0)


def test_a_gpu_without_a_counter_is_no_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml({}, 1))
    monkeypatch.setattr(energy_meter.importlib.util, "find_spec", lambda name: name)
    assert EnergyMeter(tmp_path, tmp_path).sources == ()
