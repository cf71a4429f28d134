from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.runs.journal import Journal, read
from harness.runs.run_history import RunHistory
from harness.tracking import system_sampler
from harness.tracking.mlflow import Mlflow
from harness.tracking.system_sampler import Machine, SystemSampler, sampling_interval

OWN = {
    "cpu_utilization_percentage",
    "system_memory_usage_megabytes",
    "system_memory_usage_percentage",
    "process_cpu_utilization_percentage",
    "process_memory_usage_megabytes",
    "disk_usage_percentage",
    "disk_usage_megabytes",
    "disk_available_megabytes",
}


class NVMLError(Exception):
    pass


def not_supported(gpu: str) -> Any:
    raise NVMLError


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """NVIDIA's library with two GPUs of 4 GB, of which the first uses 1 GB and 150 of 300 W."""
    library = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=str,
        nvmlDeviceGetMemoryInfo=lambda gpu: SimpleNamespace(used=1e9, total=4e9),
        nvmlDeviceGetUtilizationRates=lambda gpu: SimpleNamespace(
            gpu=70 if gpu == "0" else not_supported(gpu)
        ),
        nvmlDeviceGetPowerUsage=lambda gpu: 150_000 if gpu == "0" else not_supported(gpu),
        nvmlDeviceGetEnforcedPowerLimit=lambda gpu: 300_000,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return library


def test_samples_are_written_until_the_end_and_one_then(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    sampler = SystemSampler(journal, tmp_path, 5, 0.01)
    while len(read(tmp_path)[0]) < 2:
        pass
    sampler.stop()
    events = read(tmp_path)[0]
    journal.end("", "finished")
    assert [event["step"] for event in events] == list(range(5, 5 + len(events)))
    assert {(event["event"], event["run"]) for event in events} == {("system", "")}
    assert all({name.removeprefix("system/") for name in event["values"]} >= OWN for event in events)
    assert [event["event"] for event in read(tmp_path)[0]][-1] == "end"
    assert RunHistory(read(tmp_path)[0]).samples == len(events)  # where a resumed run goes on


def test_a_short_run_has_one_sample(tmp_path: Path) -> None:
    SystemSampler(Journal(tmp_path), tmp_path, 0, 60.0).stop()
    (event,) = read(tmp_path)[0]
    assert 1 < event["values"]["system/process_memory_usage_megabytes"] < 1e6
    assert 0 <= event["values"]["system/system_memory_usage_percentage"] <= 100


def test_gpus_give_what_they_have(gpus: SimpleNamespace, tmp_path: Path) -> None:
    values = {name: value for name, value in Machine(tmp_path).read().items() if name.startswith("gpu_")}
    assert values == {
        "gpu_0_memory_usage_megabytes": 1000,
        "gpu_0_memory_usage_percentage": 25,
        "gpu_0_utilization_percentage": 70,
        "gpu_0_power_usage_watts": 150,
        "gpu_0_power_usage_percentage": 50,
        "gpu_1_memory_usage_megabytes": 1000,
        "gpu_1_memory_usage_percentage": 25,
    }


def test_a_machine_without_a_driver_has_no_gpus(gpus: SimpleNamespace, tmp_path: Path) -> None:
    gpus.nvmlInit = lambda: not_supported("")
    assert not any(name.startswith("gpu_") for name in Machine(tmp_path).read())


def test_a_measurement_that_fails_ends_no_training(tmp_path: Path, caplog: Any) -> None:
    sampler = SystemSampler(Journal(tmp_path), tmp_path / "absent", 0, 60.0)
    sampler.stop()
    assert read(tmp_path)[0] == []
    assert "the system metrics ended" in caplog.text


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, 10.0), ("", 10.0), ("2.5", 2.5), ("0", None), ("x", None), ("inf", None)]
)
def test_the_interval_is_that_of_mlflow(
    text: str | None, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", text)
    if seconds is not None:
        assert sampling_interval() == seconds
        return
    with pytest.raises(ValueError, match=r"^MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL must be .* above 0, got"):
        sampling_interval()


@pytest.mark.parametrize(
    ("given", "variable", "samples"),
    [(None, "", False), (None, "true", True), (None, "0", False), (False, "true", False), (True, "", True)],
)
def test_the_configuration_decides_before_the_environment(
    given: bool | None, variable: str, samples: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", variable)
    tracking = Mlflow(uri=None, experiment="x", outputs=str(tmp_path), patience=1.0, system_metrics=given)
    sampler = tracking.sample(Journal(tmp_path), tmp_path, 0)
    assert (sampler is not None) is samples
    if sampler is not None:
        sampler.stop()


def test_a_missing_package_is_named_with_the_command(run_cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        system_sampler.importlib.util, "find_spec", lambda name: None if name == "psutil" else find(name)
    )
    answer = run_cli("data/extract=iris", "tracking.system_metrics=true")
    assert answer.status == 2
    assert answer.err == (
        "error: tracking.system_metrics=true needs psutil, which is not installed; run pip install "
        "'harness[system]'.\n"
    )
    assert not Path("outputs/runs").exists()
