"""Trials that go wrong, each in its own way."""

from __future__ import annotations

import os
from typing import Any

import pytest

pytestmark = pytest.mark.slow

FAULTS = """
import os
import time
from pathlib import Path

import torch
from harness.model.mlp import MLP


class Faulty(MLP):
    '''Calls the method named `fate` in its third training step.'''

    def __init__(self, *given, fate, **settings):
        super().__init__(*given, **settings)
        self.fate, self.steps = fate, 0

    def forward(self, inputs):
        self.steps += self.training
        factor = getattr(self, self.fate)() if self.steps >= 3 else None
        return super().forward(inputs) * (factor or 1.0)

    def first_time(self):
        first = not Path(self.fate).exists()
        Path(self.fate).touch()
        return first

    def raises_once(self):
        if self.first_time():
            raise RuntimeError("no luck the first time")

    def dies_once(self):
        if self.first_time():
            os.kill(os.getpid(), 9)

    def always_dies(self):
        os._exit(11)

    def out_of_memory(self):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    def hangs(self):
        if self.steps == 3:
            time.sleep(4)

    def validates_as_nan(self):
        return None if self.training else float("nan")
"""


@pytest.fixture
def faults(terminal: Any) -> Any:
    (terminal.folder / "faults.py").write_text(FAULTS)
    return terminal


def test_a_process_that_dies_loses_only_its_own_trial_which_continues(
    faults: Any, run_cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(faults.folder)
    overrides = ("model._target_=faults.Faulty", "+model.fate=dies_once,raises_once")
    sweep = faults.alone(run_cli, *overrides, "sweep.isolate=true", "sweep.retries=1")
    assert sweep.states == ["COMPLETE"] * 2
    assert [len(sweep.events(number, "start")) for number in range(2)] == [2, 2]
    assert len({sweep.writer(number) for number in range(2)} | {os.getpid()}) == 3


def test_a_trial_that_always_ends_its_worker_is_given_up_also_over_restarts(faults: Any) -> None:
    """One worker in the command's own process: each crash ends the command, and the user types it again."""
    words = ("model._target_=faults.Faulty", "+model.fate=always_dies,raises_once", "sweep.retries=1")
    words = (*words, "sweep.failures=2", "sweep.name=mine")
    first = faults(*words).wait()
    sweep = faults.sweep("mine-0")
    assert first.status == 11
    assert sweep.states[0] == "RUNNING"
    assert faults(*words).wait().status == 11
    last = faults(*words).wait()
    assert last.status == 1, last
    assert sweep.states == ["FAIL", "COMPLETE"]
    assert "ended without a message 2 times in a row" in sweep.trials[0].user_attrs["error"]
    assert len(sweep.events(0, "start")) == 2


@pytest.mark.parametrize(
    ("fate", "message", "attempts"),
    [
        ("out_of_memory", "of memory", 2),
        ("validates_as_nan", "valid/loss is nan, and sweep.objectives needs a number.", 1),
        ("hangs", "it took longer than sweep.timeout=0.05 minutes (epoch 1).", 1),
    ],
)
def test_a_failed_trial_is_tried_again_where_that_may_help(
    faults: Any, run_cli: Any, monkeypatch: pytest.MonkeyPatch, fate: str, message: str, attempts: int
) -> None:
    monkeypatch.syspath_prepend(faults.folder)
    limit = ("sweep.timeout=0.05",) if fate == "hangs" else ()
    words = ("model._target_=faults.Faulty", f"+model.fate={fate}", "sweep.retries=1", *limit)
    words = (*words, "sweep.objectives=valid/loss")
    sweep = faults.alone(run_cli, *words, status=1)
    assert sweep.states == ["FAIL"]
    assert message in sweep.trials[0].user_attrs["error"]
    assert len(sweep.events(0, "start")) == attempts


def test_a_worker_process_is_replaced_after_so_many_trials(terminal: Any, run_cli: Any) -> None:
    sweep = terminal.alone(run_cli, "sweep.recycle=2", "seed=1,2,3", "trainer.epochs=1")
    pids = [sweep.writer(number) for number in range(3)]
    assert pids[0] == pids[1] != pids[2]
    assert sweep.states == ["COMPLETE"] * 3
