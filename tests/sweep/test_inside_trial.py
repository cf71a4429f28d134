"""harness/sweep/inside_trial.py: what the code of a trial sees of its sweep."""

from __future__ import annotations

import math
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness import sweep
from harness.core.errors import UserError
from harness.sweep import Pruned, inside_trial, report
from harness.sweep.inside_trial import RunningTrial, running


def trial(stops_from: float = math.inf, **reported: float) -> tuple[RunningTrial, list[tuple[int, float]]]:
    sent: list[tuple[int, float]] = []

    def send(step: int, value: float) -> bool:
        sent.append((step, value))
        return step >= stops_from

    return RunningTrial(send, {int(step[1:]): value for step, value in reported.items()}), sent


def test_the_package_of_the_same_name_does_not_take_the_place_of_the_function() -> None:
    package = import_module("harness.sweep.report")
    sweep.report = package  # as Python does when the package is first imported
    from harness.sweep import report as again
    from harness.sweep.report import selection

    assert again is report is inside_trial.report
    assert selection.__package__ == package.__name__


def test_outside_of_a_sweep_nothing_is_reported() -> None:
    assert report(1, 0.5) is False
    assert issubclass(Pruned, Exception)


def test_a_report_is_stored_once_and_tells_whether_to_end() -> None:
    own, sent = trial(3, s1=0.9)
    with running(own):
        assert report(1, 0.8) is False  # the study has it from an earlier worker
        assert report(np.int64(2), np.float32(0.5)) is False
        assert own.stopped is None
        assert report(3, math.nan) is False
        assert report(3, 0.25) is True
        assert own.stopped == (3, 0.25)
        assert report(4, 0.125, last=True) is False  # it went on, and ends anyway
        assert own.stopped is None
    assert sent == [(2, 0.5), (3, 0.25), (4, 0.125)]
    assert report(5, 0.5) is False
    assert len(sent) == 3


@pytest.mark.parametrize(("step", "value", "error"), [(-1, 0.5, ValueError), (1.5, 0.5, TypeError)])
def test_a_step_is_a_count_and_a_value_a_number(step: Any, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        report(step, value)


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base classes of the callbacks, where the packages are not installed."""
    for name, base in (("lightning.pytorch", "Callback"), ("transformers", "TrainerCallback")):
        try:
            __import__(name)
        except ImportError:
            module: Any = ModuleType(name)
            setattr(module, base, object)
            monkeypatch.setitem(__import__("sys").modules, name, module)


def test_the_callback_of_lightning_reports_each_validation_and_stops_the_trainer(stubs: None) -> None:
    from harness.sweep.lightning_report import ReportToSweep

    own, sent = trial(2)
    metrics = {"val/loss": np.float32(0.5)}
    trainer = SimpleNamespace(
        sanity_checking=True, callback_metrics=metrics, current_epoch=0, max_epochs=5, should_stop=False
    )
    callback = ReportToSweep("val/loss")
    with running(own):
        callback.on_validation_end(trainer, None)
        assert not sent
        trainer.sanity_checking = False
        callback.on_validation_end(trainer, None)
        assert (sent, trainer.should_stop) == ([(1, 0.5)], False)
        trainer.current_epoch = 1
        callback.on_validation_end(trainer, None)
        assert (sent[1:], trainer.should_stop) == ([(2, 0.5)], True)
        with pytest.raises(UserError, match=r"val_loss.*val/loss"):
            ReportToSweep("val_loss").on_validation_end(trainer, None)


def test_the_callback_of_transformers_reports_each_evaluation_and_stops_the_trainer(stubs: None) -> None:
    from harness.sweep.transformers_report import ReportToSweep

    own, sent = trial(20)
    state, control = (
        SimpleNamespace(global_step=10, max_steps=30),
        SimpleNamespace(should_training_stop=False),
    )
    callback = ReportToSweep()
    with running(own):
        callback.on_evaluate(None, state, control, {"eval_loss": 0.5}, model=None)
        assert (sent, control.should_training_stop) == ([(10, 0.5)], False)
        state.global_step = 20
        callback.on_evaluate(None, state, control, {"eval_loss": 0.25})
        assert (sent[1:], control.should_training_stop) == ([(20, 0.25)], True)
        control.should_training_stop = False
        state.global_step = 30
        callback.on_evaluate(None, state, control, {"eval_loss": 0.25})
        assert control.should_training_stop is False  # it ends here anyway
        with pytest.raises(UserError, match="eval_acc"):
            ReportToSweep("eval_acc").on_evaluate(None, state, control, {"eval_loss": 0.25})
