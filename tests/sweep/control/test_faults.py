"""Trials that go wrong, each in its own way."""

from __future__ import annotations

from typing import Any

import pytest

CLINIC = """
import os
import time
from pathlib import Path

import torch
from harness.model.mlp import MLP


class Patient(MLP):
    '''Meets its fate in its third training step.'''

    def __init__(self, *given, fate, **settings):
        super().__init__(*given, **settings)
        self.fate, self.steps = fate, 0

    def forward(self, inputs):
        self.steps += self.training
        factor = getattr(self, self.fate)() if self.steps >= 3 else None
        return super().forward(inputs) * (factor or 1.0)

    def recovers(self):
        pass

    def relapses(self):
        if not Path("relapsed").exists():
            Path("relapsed").touch()
            raise RuntimeError("the first dose was too weak")

    def dies(self):
        os.kill(os.getpid(), 9)

    def swells(self):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    def sleeps(self):
        if self.steps == 3:
            time.sleep(4)

    def blurs(self):
        return None if self.training else float("nan")
"""


@pytest.fixture
def clinic(terminal: Any) -> Any:
    (terminal.folder / "clinic.py").write_text(CLINIC)
    return terminal


def test_a_process_that_dies_takes_its_own_trial_alone_with_it(clinic: Any) -> None:
    words = ("model._target_=clinic.Patient", "+model.fate=dies,recovers,relapses", "sweep.workers=2")
    ended = clinic(*words, "sweep.isolate=true", "sweep.retries=1").wait()
    assert ended.status == 1, ended
    assert "1 of 3 runs failed" in ended.err
    sweep = clinic.the_sweep()
    assert sweep.states == ["FAIL", "COMPLETE", "COMPLETE"]
    told = "its worker was killed 5 times in a row without an epoch between; too little memory?"
    assert sweep.trials[0].user_attrs["error"] == told
    assert [len(sweep.events(number, "start")) for number in range(3)] == [5, 1, 2]
    assert len({sweep.writer(number) for number in range(3)}) == 3


@pytest.mark.parametrize(
    ("fate", "told", "attempts"),
    [
        ("swells", "of memory", 2),
        ("blurs", "valid/loss is nan, and sweep.objectives needs a number.", 1),
        ("sleeps", "it took longer than sweep.timeout=0.05 minutes (epoch 1).", 1),
    ],
)
def test_a_failed_trial_is_tried_again_where_that_may_help(
    clinic: Any, knock: Any, monkeypatch: pytest.MonkeyPatch, fate: str, told: str, attempts: int
) -> None:
    monkeypatch.syspath_prepend(clinic.folder)
    limit = ("sweep.timeout=0.05",) if fate == "sleeps" else ()
    words = ("model._target_=clinic.Patient", f"+model.fate={fate}", "sweep.retries=1", *limit)
    words = (*words, "sweep.objectives=valid/loss")
    sweep = clinic.alone(knock, *words, status=1)
    assert sweep.states == ["FAIL"]
    assert told in sweep.trials[0].user_attrs["error"]
    assert len(sweep.events(0, "start")) == attempts


def test_a_worker_is_replaced_after_so_many_trials(terminal: Any) -> None:
    sweep = terminal.run("sweep.recycle=2", "seed=1,2,3")
    pids = [sweep.writer(number) for number in range(3)]
    assert pids[0] == pids[1] != pids[2]
    assert sweep.states == ["COMPLETE"] * 3
