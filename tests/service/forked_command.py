"""`python -m harness` in a process that need not import torch: a server of this session forks it."""

from __future__ import annotations

import atexit
import importlib
import os
import runpy
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn
from unittest import mock

import cloudpickle

from harness.sweep.launch import fork_server, fork_server_main
from harness.sweep.launch.child_process import Child, spawn

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no child can import a test

_FIXED = {
    **dict.fromkeys(("HYDRA_FULL_ERROR", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Of every command and its workers."""
_ENVIRONMENT = {**os.environ, **_FIXED}
"""Of the server; what a command runs with is set in its own process."""
_server: Any = None
"""The server of all commands of this session. Sweeps in the test's process have another one, whose variables
differ from test to test."""
_IMPORTED = ("harness.run", "harness.stages.score_fold", "harness.sweep.run_sweep", "sklearn.datasets")
"""What a command imports, beside what the tests have imported so far."""


class ForkedCommand:
    """A command under way, in a session of its own.

    Args:
        words: of `python -m harness`.
        folder: where it is typed.
        out, err: take what it prints.
        variables: on top of those of the test.
    """

    def __init__(
        self, words: tuple[str, ...], folder: Path, out: Path, err: Path, variables: dict[str, str]
    ) -> None:
        for name in _IMPORTED:
            importlib.import_module(name)
        work = partial(_run, words, folder, out, err, {**os.environ, **_FIXED, **variables})
        for file in (out, err):
            file.touch()
        with mock.patch.dict(os.environ, _ENVIRONMENT, clear=True), _server_of_commands():
            self._child: Child[int] = spawn(work, {}, out.with_suffix(".log"))

    @property
    def pid(self) -> int:
        return self._child.pid

    def poll(self) -> int | None:
        """Its exit status (negative: the signal that ended it), or None while it runs."""
        outcome = self._child.poll()
        if outcome is None:
            return None
        return self._child.status if outcome.value is None else outcome.value

    def wait(self, timeout: float) -> int:
        """Its exit status, awaited for at most `timeout` seconds."""
        self._child.wait(timeout)
        status = self.poll()
        assert status is not None
        return status


@contextmanager
def _server_of_commands() -> Iterator[None]:
    global _server
    with fork_server._changing:
        before, fork_server._server = fork_server._server, _server
        try:
            yield
        finally:
            _server, fork_server._server = fork_server._server, before


@atexit.register
def _end_server() -> None:
    if _server is not None and _server.user[0] == os.getpid():
        _server.end()


def _run(words: tuple[str, ...], folder: Path, out: Path, err: Path, variables: dict[str, str]) -> int:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    for number, file in ((1, out), (2, err)):
        with file.open("ab") as opened:
            os.dup2(opened.fileno(), number)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 (open as long as the process)
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.argv = ["harness", *words]
    sys.path.insert(0, str(folder))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _start_server()
    try:
        runpy.run_module("harness", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _start_server() -> None:
    """Starts the server that forks the workers of this command.

    A command has one of its own, because they belong to its process group. It is a copy of this process,
    instead of a program that would do the imports anew.
    """
    sender, requests = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    life, ours = os.pipe()
    fixed = fork_server.fixed(os.environ)
    pid = os.fork()
    if pid == 0:
        _serve(requests, sender, life, fixed)
    requests.close()
    os.close(life)
    process = SimpleNamespace(
        poll=lambda: None, stdin=os.fdopen(ours, "wb"), wait=partial(os.waitpid, pid, 0)
    )
    fork_server._server = fork_server._Server(sender, fixed, process)  # type: ignore[arg-type]


def _serve(
    requests: socket.socket, sender: socket.socket, life: int, environment: dict[str, str]
) -> NoReturn:
    """The whole life of the copy, and of each worker that it forks."""
    try:
        os.dup2(life, 0)
        # A pipe of the command that stays open here would hide its end.
        kept = (0, 1, 2, requests.fileno(), sender.fileno())
        for descriptor in map(int, os.listdir("/proc/self/fd")):
            if descriptor not in kept:
                with suppress(OSError):
                    os.close(descriptor)
        fork_server_main.serve(fork_server_main.Server(requests, sender), environment)
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)
