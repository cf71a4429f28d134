"""Processes that need no imports: a server imports once what this process has imported, and forks them.

    process = fork(Files(work, answer, log), environment)
    process.wait()

torch, pandas and scikit-learn cost a fresh process two to three seconds. A server is used only with the
environment variables that it was started with, because libraries read them when they are imported; it is
shared by this process and the processes that it has forked.
"""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_MAIN = Path(__file__).with_name("fork_server_main.py")
_PACKAGES = frozenset({"harness", "hydra", "numpy", "omegaconf", "optuna", "pandas", "scipy", "sklearn"})
"""A server imports every module of these that this process has imported, and torch. None starts a thread."""
_READ_WHEN_USED = ("HARNESS_", "CUDA_VISIBLE_DEVICES", "PYTEST_CURRENT_TEST")
"""Variables that nothing reads when it is imported: they may differ from process to process."""
_GLANCE = 0.05
"""Seconds between two looks at a process whose server is lost."""


class _Latch:
    """Opens once. Unlike an `Event`, a signal handler may wait for it that has interrupted such a wait."""

    def __init__(self) -> None:
        self._is_open = False
        self._lock = threading.Lock()
        self._lock.acquire()

    def open(self) -> None:
        self._is_open = True
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it is open, after at most `timeout` seconds."""
        if not self._is_open and self._lock.acquire(timeout=-1 if timeout is None else timeout):
            self._lock.release()
        return self._is_open


class Process:
    """A forked process, with the part of `subprocess.Popen` that is needed.

    Args:
        report: a file descriptor that brings the number of the process, and then its exit status.
    """

    def __init__(self, report: int) -> None:
        self._pid: int | None = None
        self.returncode: int | None = None
        self._forked, self._ended = _Latch(), _Latch()
        threading.Thread(target=self._follow, args=(report,), daemon=True).start()

    @property
    def pid(self) -> int:
        """Its number; waits until it has been forked.

        Raises:
            ChildProcessError: the server ended before.
        """
        self._forked.wait()
        if self._pid is None:
            raise ChildProcessError("the fork server ended before it started the process")
        return self._pid

    def poll(self) -> int | None:
        """Its exit status (negative: the signal that ended it), or None while it works."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status.

        Args:
            timeout: seconds.

        Raises:
            subprocess.TimeoutExpired: it works still.
        """
        if not self._ended.wait(timeout) or self.returncode is None:
            raise subprocess.TimeoutExpired(_MAIN.name, timeout or 0)
        return self.returncode

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, ChildProcessError):
            pid = self.pid
            if self.returncode is None:
                os.kill(pid, number)

    def _follow(self, report: int) -> None:
        """In a thread of its own: reads the number, and then the status."""
        with os.fdopen(report, "rb") as numbers:
            self._pid = _read(numbers)
            self._forked.open()
            status = None if self._pid is None else _read(numbers)
        if status is None:
            self._await_lost()
        self.returncode = os.EX_SOFTWARE if status is None else status
        self._ended.open()

    def _await_lost(self) -> None:
        """Until the process has ended, whose server can no longer say how."""
        with suppress(ProcessLookupError):
            while self._pid is not None:
                os.kill(self._pid, 0)
                time.sleep(_GLANCE)


def _read(numbers: BinaryIO) -> int | None:
    content = numbers.read(8)
    return int.from_bytes(content, "big", signed=True) if content else None


class _Server:
    """A server as its users see it.

    Args:
        sender: takes the requests.
        environment: the variables that it was started with.
        process: the server, in the process that started it.
    """

    def __init__(
        self, sender: socket.socket, environment: Mapping[str, str], process: subprocess.Popen[bytes] | None
    ) -> None:
        self.user = os.getpid(), os.getpgrp()
        self.sender = sender
        self.environment = environment
        self._process = process

    def serves(self, environment: Mapping[str, str]) -> bool:
        """Whether this process may use it for a process with these variables.

        What it forks belongs to its own process group, which is to be that of this process.
        """
        lives = self._process is None or self._process.poll() is None
        return lives and self.user == (os.getpid(), os.getpgrp()) and self.environment == environment

    def end(self) -> None:
        """Lets it end once its processes have; in a process that it has forked, uses it no longer."""
        self.sender.close()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            threading.Thread(target=self._process.wait, daemon=True).start()


_server: _Server | None = None
_changing = threading.RLock()


def fork(work: int, answer: int, log: int, environment: Mapping[str, str]) -> Process:
    """A new process that does what `work` brings; it calls `child_main.main(work, answer)`.

    Args:
        work, answer, log: file descriptors, which stay open here.
        environment: its variables, which are to come with the work.

    Raises:
        OSError: no server can be started.

    It raises the audit event `os.fork`, as `os.fork` does.
    """
    sys.audit("os.fork")
    report, theirs = os.pipe()
    try:
        for last in (False, True):
            with _changing:
                server = _get(environment)
                try:
                    socket.send_fds(server.sender, [b"x"], [work, answer, theirs, log])
                    return Process(report)
                except OSError:  # it has just been killed
                    if last:
                        raise
                    _forget()
        raise AssertionError("unreachable")
    except BaseException:
        os.close(report)
        raise
    finally:
        os.close(theirs)


def inherit(sender: socket.socket, environment: Mapping[str, str]) -> None:
    """In a process that a server has forked: uses that server for requests of its own."""
    global _server
    _server = _Server(sender, environment, None)


def _get(environment: Mapping[str, str]) -> _Server:
    global _server
    variables = fixed(environment)
    if _server is None or not _server.serves(variables):
        _forget()
        _server = _start(variables)
    return _server


def fixed(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that a server and its processes have in common."""
    return {name: value for name, value in environment.items() if not name.startswith(_READ_WHEN_USED)}


@atexit.register
def _forget() -> None:
    global _server
    if _server is not None and _server.user[0] == os.getpid():
        _server.end()
    _server = None


def _start(environment: dict[str, str]) -> _Server:
    sender, requests = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with requests:
        ends = requests.fileno(), sender.fileno()
        process = subprocess.Popen(
            # -P: modules must not be searched in the folder of the program, which has a ray.py.
            [sys.executable, "-P", str(_MAIN), *map(str, ends)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=ends,
            env=environment,
        )
    content = pickle.dumps((sys.path, _modules(), environment))
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has died: the first request says so
        process.stdin.write(len(content).to_bytes(8, "big") + content)
        process.stdin.flush()
    return _Server(sender, environment, process)


def _modules() -> list[str]:
    """What a server imports, in the order in which this process did."""
    imported = (name for name in list(sys.modules) if name.partition(".")[0] in _PACKAGES or name == "torch")
    return [name for name in imported if not name.endswith(("_main", "__main__"))]
