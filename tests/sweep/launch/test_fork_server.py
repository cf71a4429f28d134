"""Processes that a server forks; what each of them does is tested in test_child_process.py."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

from harness.sweep.launch import fork_server
from harness.sweep.launch.child_process import Died, spawn
from harness.sweep.launch.fork_server import _modules

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only"),
]

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no child can import a test


@pytest.fixture
def apart(tmp_path: Path) -> Callable[..., Any]:
    """`apart(work)` is what `work()` gives in a process of its own."""

    def run(work: Callable[[], Any], **variables: str) -> Any:
        return spawn(work, variables, tmp_path / "worker.log").wait(100).result()

    return run


def imported() -> tuple[int, bool]:
    return os.getppid(), "torch" in sys.modules


def test_processes_are_forked_by_one_server_that_has_imported_what_this_process_has(
    apart: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {"torch", "numpy", __name__} & set(_modules()) == {"torch", "numpy"}
    monkeypatch.setattr(fork_server, "_modules", lambda: ["torch"])  # the others would take twice as long
    fork_server._forget()
    (server, has_torch), again = apart(imported), apart(imported)
    assert has_torch
    assert again == (server, True)
    assert server != os.getpid()


def test_a_process_has_the_folder_of_now_and_a_random_state_of_its_own(
    apart: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work() -> tuple[str, float, float]:
        return os.getcwd(), random.random(), float(np.random.rand())

    server = apart(os.getppid)
    monkeypatch.chdir(tmp_path)
    (folder, *first), (_, *second) = apart(work), apart(work)
    assert folder == str(tmp_path)
    assert set(first).isdisjoint(second)
    assert apart(os.getppid) == server


def test_a_variable_that_libraries_read_when_imported_takes_another_server(apart: Any) -> None:
    def of_server() -> tuple[int, bool]:
        pid = os.getppid()
        return pid, b"OMP_NUM_THREADS=2" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")

    server, read = apart(of_server, HARNESS_SLOT="1", CUDA_VISIBLE_DEVICES="0", OMP_NUM_THREADS="2")
    assert read  # by the libraries that it imports
    assert apart(of_server, HARNESS_SLOT="2", CUDA_VISIBLE_DEVICES="1", OMP_NUM_THREADS="2") == (server, True)
    other, read = apart(of_server, OMP_NUM_THREADS="1")
    assert other != server
    assert not read


def test_a_forked_process_uses_the_same_server(apart: Any, tmp_path: Path) -> None:
    def work() -> tuple[int, int]:
        return os.getppid(), spawn(os.getppid, {}, tmp_path / "inner.log").wait(100).result()

    first, second = apart(work)
    assert first == second


def test_a_signal_to_the_group_ends_the_processes_and_not_the_server(apart: Any, tmp_path: Path) -> None:
    def work() -> str:
        print("ready", flush=True)
        time.sleep(600)
        return "never"

    server = apart(os.getppid)
    for number in (signal.SIGINT, signal.SIGTERM):
        log = tmp_path / f"{number}.log"
        child = spawn(work, {}, log)
        while not (log.exists() and log.read_text() == "ready\n"):
            time.sleep(0.02)
        os.kill(server, number)
        os.kill(child.pid, number)
        outcome = child.wait(100)
        assert outcome.error is not None
        assert type(outcome.error) is KeyboardInterrupt or outcome.signal == number
    assert apart(os.getppid) == server


def test_a_server_that_was_killed_is_replaced_and_its_processes_go_on(apart: Any, tmp_path: Path) -> None:
    server = apart(os.getppid)
    log = tmp_path / "1.log"

    def work(end: Callable[[], Any]) -> Callable[[], Any]:
        def wait_for_the_loss() -> Any:
            print("ready", flush=True)
            while os.getppid() == server:
                time.sleep(0.02)
            return end()

        return wait_for_the_loss

    with_answer = spawn(work(lambda: 42), {}, log)
    without = spawn(work(lambda: os._exit(3)), {}, tmp_path / "2.log")
    while not all(file.exists() and file.read_text() == "ready\n" for file in (log, tmp_path / "2.log")):
        time.sleep(0.02)
    os.kill(server, signal.SIGKILL)
    assert with_answer.wait(100).result() == 42
    error = without.wait(100).error
    assert type(error) is Died
    assert str(error).startswith("the worker process ended with status 70 and no answer; its last output is")
    assert apart(os.getppid) != server


PARENT = """
import os, sys, time
from pathlib import Path
from harness.sweep.launch.child_process import spawn
print(spawn(os.getppid, {}, Path("worker.log")).wait().result(), flush=True)
"""


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), 9)"])
def test_no_server_outlives_its_parent(end: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", PARENT + end]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr == ""
    deadline = time.monotonic() + 60
    while Path(f"/proc/{int(done.stdout)}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
