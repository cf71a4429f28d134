"""harness/evaluate/baseline_process.py and its program"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import psutil
import pytest

from harness.core.task import Task
from harness.evaluate import baseline_process
from harness.evaluate.baseline_fits import Fit, LabelledRows, predicted
from harness.evaluate.baseline_process import BaselineProcess, PendingFits

pytestmark = pytest.mark.slow

TASKS = {
    "classes": Task("multiclass", ("a", "b", "c", "d")),  # no training row has the last one
    "labels": Task("multilabel", ("y", "z")),
    "numbers": Task("regression"),
    "several numbers": Task("regression", columns=("y", "z")),
}


def rows(kind: str = "classes", count: int = 120, seed: int = 0) -> LabelledRows:
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(count, 6)).astype(np.float32)
    inputs[:, 5] = random.integers(0, 4, count)
    noisy = inputs[:, :2].astype(np.float64) + random.normal(size=(count, 2))
    targets = {
        "classes": np.digitize(noisy[:, 0], [-0.5, 0.5]).astype(np.int64),
        "labels": (noisy > 0).astype(np.float32),
        "numbers": noisy[:, 0],
        "several numbers": noisy,
    }
    return LabelledRows(inputs, targets[kind], (4,))


def fits(kind: str = "classes") -> list[Fit]:
    parts = {"valid": rows(kind, 50, 1).inputs, "test": rows(kind, 60, 2).inputs}
    train, valid = rows(kind), rows(kind, 50, 1)
    return [Fit(name, TASKS[kind], train, valid, parts, 3) for name in ("linear", "boosting")]


def long_fit() -> Fit:
    """Takes minutes."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(100_000, 60)).astype(np.float32)
    train = LabelledRows(inputs, random.integers(0, 50, len(inputs)))
    return Fit("boosting", Task("multiclass", tuple(map(str, range(50)))), train, None, {}, 0)


def begun(pending: PendingFits) -> PendingFits:
    """Waits until the process has begun it."""
    ends = time.monotonic() + 60
    while pending.fits is not None:
        assert time.monotonic() < ends
        time.sleep(0.01)
    return pending


def lives(pid: int) -> bool:
    """Whether it is there, and not only as the status that nobody has asked for."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def process() -> Iterator[BaselineProcess]:
    with BaselineProcess() as made:
        yield made


@pytest.mark.parametrize("kind", TASKS)
def test_its_outputs_have_the_bits_of_this_process(
    process: BaselineProcess, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    pending = process.submit(fits(kind))
    assert pending is not None
    found = begun(pending).result()
    assert found is not None
    for fit in fits(kind):
        expected = predicted(fit)
        assert found[fit.name].keys() == expected.keys() == {"valid", "test"}
        for part, numbers in expected.items():
            assert found[fit.name][part].dtype == numbers.dtype == np.float64
            assert np.array_equal(found[fit.name][part], numbers)
    assert capfd.readouterr() == ("", "")


def test_one_that_fails_is_left_out(process: BaselineProcess) -> None:
    linear, boosting = fits()
    broken = rows().inputs.copy()
    broken[0, 0] = np.nan  # boosting takes it
    pair = [linear._replace(train=rows()._replace(inputs=broken)), boosting]
    pending = process.submit(pair)
    assert pending is not None
    found = begun(pending).result()
    assert found is not None
    assert found.keys() == {"boosting"}


def test_signals_of_the_whole_group_do_not_end_it(process: BaselineProcess) -> None:
    pending = process.submit(fits())
    assert pending is not None
    begun(pending)
    assert process.pid is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(process.pid, number)
    assert pending.result() is not None
    later = process.submit(fits())
    assert later is not None
    assert begun(later).result() is not None


def test_more_rows_than_may_wait_are_not_taken(
    process: BaselineProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (120 + 2 * 50 + 60) * 6 * 4  # the rows of both baselines once; those of "valid" are two arrays
    monkeypatch.setattr(baseline_process, "_MOST_BYTES", size - 1)
    assert process.submit(fits()) is None
    monkeypatch.setattr(baseline_process, "_MOST_BYTES", size)
    pending = process.submit(fits())
    assert pending is not None
    assert begun(pending).result() is not None


def test_what_is_not_begun_is_given_back_and_what_is_lost_too() -> None:
    with BaselineProcess() as process:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)  # it imports for ever
        first, second = process.submit(fits()), process.submit(fits())
        assert first is not None
        assert second is not None
        assert first.result() is None
        os.kill(process.pid, signal.SIGKILL)
        second.ended.wait(60)
        assert second.result() is None
        assert process.submit(fits()) is None


def test_a_fit_whose_process_is_killed_is_given_back() -> None:
    with BaselineProcess() as process:
        pending, waiting = process.submit([long_fit()]), process.submit(fits())
        assert pending is not None
        assert waiting is not None
        begun(pending)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        assert pending.result() is None
        assert waiting.result() is None


def test_the_end_of_the_block_ends_it_within_a_fit() -> None:
    with BaselineProcess() as process:
        pending, pid = process.submit([long_fit()]), process.pid
        assert pending is not None
        assert pid is not None
        begun(pending)
    assert not psutil.pid_exists(pid)  # neither at work nor a zombie
    assert pending.result() is None
    assert process.submit(fits()) is None


_PARENT = """
import os, signal
from tests.evaluate.test_baseline_process import BaselineProcess, begun, long_fit
process = BaselineProcess()
begun(process.submit([long_fit()]))
print(process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_ends_when_its_parent_is_killed() -> None:
    ended = subprocess.run([sys.executable, "-c", _PARENT], capture_output=True, text=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    pid, until = int(ended.stdout), time.monotonic() + 30
    while lives(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not lives(pid)


def test_without_a_program_nothing_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with BaselineProcess() as process:
        assert process.pid is None
        assert process.submit(fits()) is None


def test_the_fits_are_made_without_torch() -> None:
    program = "import sys, harness.evaluate.baseline_fits; print('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
