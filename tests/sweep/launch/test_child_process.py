from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from harness.core.errors import Interrupted
from harness.sweep.launch import child_main
from harness.sweep.launch.child_process import Child, ChildOutcome, Died, Failed, spawn

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no child can import a test


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    """No test waits for ever: a child that hangs fails it instead."""

    def late(*_: Any) -> None:
        raise AssertionError("two minutes have passed")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "job" / "worker.log"


def test_a_closure_is_called_in_another_process_and_its_value_is_returned(log: Path) -> None:
    number = 6
    child = spawn(lambda: (os.getpid(), 7 * number), {}, log)
    assert child.wait() == ChildOutcome((child.pid, 42))
    assert child.wait().result() == (child.pid, 42)
    assert child.pid != os.getpid()


def test_an_answer_that_no_parent_waits_for_is_dropped() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    child_main._give(theirs, bytes(1 << 20))
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(theirs)


def test_the_child_has_the_variables_and_imports_from_where_its_parent_does(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here_h3.py").write_text("ANSWER = 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("KEPT", "yes")

    def work() -> tuple[Any, ...]:
        import only_here_h3  # type: ignore[import-not-found]

        return only_here_h3.ANSWER, os.environ["KEPT"], os.environ["HARNESS_SLOT"], sys.path, os.getcwd()

    given = spawn(work, {"HARNESS_SLOT": "3"}, log).wait().result()
    assert given == (42, "yes", "3", sys.path, os.getcwd())


def test_an_error_is_returned_with_the_childs_stack_as_a_note(log: Path) -> None:
    def work() -> None:
        raise KeyError("nowhere")

    outcome: ChildOutcome[None] = spawn(work, {}, log).wait()
    assert type(outcome.error) is KeyError
    assert outcome.error.args == ("nowhere",)
    assert outcome.signal is None
    (note,) = outcome.error.__notes__
    assert note.startswith("In the worker process:\nTraceback (most recent call last):\n")
    assert 'raise KeyError("nowhere")' in note
    with pytest.raises(KeyError, match="nowhere"):
        outcome.result()


def test_an_interruption_keeps_the_number_of_its_signal(log: Path) -> None:
    def work() -> None:
        raise Interrupted(15)

    error = spawn(work, {}, log).wait().error
    assert isinstance(error, Interrupted)
    assert error.signum == 15


def test_an_error_that_cannot_be_pickled_is_returned_as_its_text(log: Path) -> None:
    class Stubborn(Exception):
        def __init__(self, one: int, two: int) -> None:  # pickle calls it with the message alone
            super().__init__(f"{one} and {two}")

    def work() -> None:
        raise Stubborn(1, 2)

    error = spawn(work, {}, log).wait().error
    assert type(error) is Failed
    assert str(error) == "Stubborn: 1 and 2"


def test_a_value_that_cannot_be_carried_is_an_error(log: Path) -> None:
    error = spawn(threading.Lock, {}, log).wait().error
    assert isinstance(error, TypeError)
    assert "pickle" in str(error)


def test_a_large_answer_does_not_fill_the_pipe(log: Path) -> None:
    assert spawn(lambda: b"x" * 3_000_000, {}, log).wait().result() == b"x" * 3_000_000


def test_a_large_work_does_not_fill_the_pipe(log: Path) -> None:
    content = os.urandom(3_000_000)
    assert spawn(lambda: len(content), {}, log).wait().result() == 3_000_000


def test_a_killed_process_is_reported_with_its_signal(log: Path) -> None:
    outcome: ChildOutcome[None] = spawn(lambda: os.kill(os.getpid(), signal.SIGKILL), {}, log).wait()
    assert outcome.signal == 9
    assert type(outcome.error) is Died
    assert str(outcome.error) == (
        "the worker process ended by signal 9 (SIGKILL), often a sign that the memory ran out."
    )


def test_a_process_that_died_with_words_names_its_log(log: Path) -> None:
    def work() -> None:
        os.write(2, b"no such instruction\n")
        os.kill(os.getpid(), signal.SIGSEGV)

    assert str(spawn(work, {}, log).wait().error) == (
        f"the worker process ended by signal 11 (SIGSEGV); its last output is in {log}."
    )
    assert log.read_text() == "no such instruction\n"


def test_a_process_that_ended_without_an_answer_is_reported_with_its_status(log: Path) -> None:
    error = spawn(lambda: os._exit(3), {}, log).wait().error
    assert str(error) == "the worker process ended with status 3 and no answer."


def test_what_it_prints_goes_into_the_log_without_passwords(log: Path) -> None:
    def work() -> None:
        print("from postgresql://me:geheim@host/db")
        print("and password=geheim", file=sys.stderr)

    spawn(work, {}, log).wait().result()
    assert log.read_text() == "from postgresql://me:***@host/db\nand password=***\n"


def test_a_log_has_no_secret_of_the_trials_configuration(log: Path) -> None:
    def work() -> None:
        from omegaconf import OmegaConf

        from harness.runtime.masked_output import mask_also
        from harness.runtime.secret_values import Secrets

        print("before")
        mask_also(Secrets(OmegaConf.create({"data": {"headers": {"x-api-key": "geheimnis"}}})))
        print("sent geheimnis")

    spawn(work, {}, log).wait().result()
    assert log.read_text() == "before\nsent ***\n"


def test_who_prints_nothing_leaves_no_log(log: Path) -> None:
    spawn(lambda: None, {}, log).wait().result()
    assert list(log.parent.iterdir()) == []


def test_neither_work_nor_answer_is_on_the_disk_or_the_command_line(log: Path, tmp_path: Path) -> None:
    def work(secret: str) -> str:
        command = Path("/proc/self/cmdline").read_bytes()
        files = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
        assert secret.encode() not in b"".join([command, *files])
        return secret

    assert spawn(partial(work, "geheim"), {}, log).wait().result() == "geheim"


def test_a_child_can_be_polled_waited_for_and_ended(log: Path) -> None:
    child: Child[None] = spawn(lambda: time.sleep(600), {}, log)
    assert child.poll() is None
    with pytest.raises(TimeoutError, match=rf"process {child.pid} works still after 0.01 s"):
        child.wait(0.01)
    child.terminate()
    outcome = child.wait()
    assert outcome.signal == signal.SIGTERM
    assert child.poll() is outcome


def test_a_child_that_ignores_sigterm_can_be_killed(log: Path) -> None:
    def work() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("ready")
        time.sleep(600)

    child: Child[None] = spawn(work, {}, log)
    _await(lambda: log.read_text() == "ready\n")
    child.terminate()
    with pytest.raises(TimeoutError):
        child.wait(0.3)
    child.kill()
    assert child.wait().signal == signal.SIGKILL


def test_a_forked_grandchild_that_keeps_the_pipe_does_not_hold_up_the_answer(log: Path) -> None:
    def work() -> int:
        pid = os.fork()
        if pid == 0:
            time.sleep(600)
            os._exit(0)
        return pid

    pid = spawn(work, {}, log).wait(100).result()
    os.kill(pid, signal.SIGKILL)


def test_a_child_ends_when_its_parent_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, sys, time\nfrom pathlib import Path\n"
        "from harness.sweep.launch.child_process import spawn\n"
        "child = spawn(lambda: (print('ready'), time.sleep(600)), {}, Path(sys.argv[1]))\n"
        "print(child.pid, flush=True)\nchild.wait()\n"
    )
    command = [sys.executable, str(script), str(tmp_path / "worker.log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        _await(lambda: (tmp_path / "worker.log").read_text() == "ready\n")
        assert _lives(child)
        parent.kill()
    _await(lambda: not _lives(child))


def _await(come_true: Any) -> None:
    """Until the deadline of the test."""
    while True:
        with suppress(OSError):
            if come_true():
                return
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    """Whether it is a process, and not one that is over and was not yet asked for its status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
