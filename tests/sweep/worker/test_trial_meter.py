from __future__ import annotations

from harness.sweep.study.sweep_cost import Cost, Tariff, cost_metrics
from harness.sweep.worker.trial_meter import TrialMeter


class Worker:
    """A worker whose clock and energy are set by hand; it has half a GPU."""

    def __init__(self) -> None:
        self.seconds, self.joules = 100.0, 1000.0
        self.meter = TrialMeter(self, lambda: self.seconds, lambda: 0.5)  # type: ignore[arg-type]

    def read(self) -> float:
        return self.joules

    def work(self, seconds: float, joules: float) -> None:
        self.seconds += seconds
        self.joules += joules


def test_trials_that_run_at_the_same_time_share_time_and_energy() -> None:
    worker = Worker()
    worker.work(50, 50)  # before the first trial
    worker.meter.begin(0)
    worker.work(10, 100)
    worker.meter.begin(1, Cost(1000, 0, None))  # it ran before
    worker.work(4, 40)
    assert worker.meter.end(0) == Cost(12, 6, 120)
    worker.work(3, 6)
    assert worker.meter.end(1) == Cost(1005, 2.5, 26)
    assert worker.meter.end(1) is None


def test_a_running_trial_is_asked_for_its_cost_twice_a_minute() -> None:
    worker = Worker()
    worker.meter.begin(3)
    worker.work(29, 0)
    assert worker.meter.now_and_then(3) is None
    worker.work(2, 0)
    assert worker.meter.now_and_then(3) == Cost(31, 15.5, 0)
    worker.work(29, 0)
    assert worker.meter.now_and_then(3) is None
    assert worker.meter.end(3) == Cost(60, 30, 0)


def test_without_a_meter_of_energy_there_is_none() -> None:
    meter = TrialMeter(None, lambda: 0.0, lambda: 0.0)
    meter.begin(0)
    assert meter.end(0) == Cost(0, 0, None)


def test_the_metrics_of_a_running_trial_are_what_it_has_used_so_far() -> None:
    worker = Worker()
    worker.meter.begin(0, Cost(6, 0, 0.0))
    worker.work(30, 7.2e6)
    metrics = cost_metrics(worker.meter.used(0), Tariff(hour=100.0, kwh=0.5, workers=2))
    assert metrics == {
        "cost/seconds": 36,
        "cost/gpu_seconds": 15,
        "cost/kwh": 2,
        "cost/money": 100 * 36 / 3600 / 2 + 0.5 * 2,
    }
    assert cost_metrics(Cost(36, 15, None), Tariff()) == {"cost/seconds": 36, "cost/gpu_seconds": 15}
    assert cost_metrics(worker.meter.used(1), Tariff()) == {}
