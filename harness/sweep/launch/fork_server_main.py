"""The program of a fork server: `python fork_server_main.py REQUESTS SENDER`, started by `fork_server`.

It imports what its parent has imported, and then forks a process for each request: the imports (two to
three seconds of torch, pandas and scikit-learn) are done once, however many processes are needed. It runs
no work itself and has no threads. It ends when its parent and all its processes have ended.
"""

from __future__ import annotations

import array
import gc
import os
import pickle
import selectors
import signal
import socket
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from typing import NamedTuple

_FOR_THE_PROCESSES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
"""Signals that a terminal or a scheduler sends to the whole process group. The server outlives its processes:
it reports how each of them ended."""


class Request(NamedTuple):
    """The file descriptors of a request.

    work    brings the work
    answer  takes its answer
    report  takes the number of the process, and then its exit status
    log     takes what the process prints
    """

    work: int
    answer: int
    report: int
    log: int


class Server:
    """The requests of one parent and of all its processes.

    Args:
        requests: receives them.
        sender: the other end, which the processes use for requests of their own.
    """

    def __init__(self, requests: socket.socket, sender: socket.socket) -> None:
        self._requests, self.sender = requests, sender
        self._reports: dict[int, int] = {}
        self._handlers = {name: signal.getsignal(name) for name in _signals()}
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)
        self._woken, self._waker = os.pipe()
        for end in (self._woken, self._waker):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def next_process(self) -> Request | None:
        """Serves until nobody is left (None); returns in each new process as well (its request)."""
        parent_lives = True
        with selectors.DefaultSelector() as selector:
            for source in (0, self._requests, self._woken):
                selector.register(source, selectors.EVENT_READ)
            while parent_lives or self._reports:
                for key, _ in selector.select():
                    if key.fileobj == 0:
                        parent_lives = False
                        selector.unregister(0)
                    elif key.fileobj == self._woken:
                        self._report_ends()
                    elif request := self._fork():
                        return request
        return None

    def _fork(self) -> Request | None:
        request = _receive(self._requests)
        pid = os.fork()
        if pid == 0:
            self._become_a_process()
            return request
        for descriptor in (request.work, request.answer, request.log):
            os.close(descriptor)
        self._reports[pid] = request.report
        _send(request.report, pid)
        return None

    def _become_a_process(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        for descriptor in (self._woken, self._waker, *self._reports.values()):
            os.close(descriptor)
        self._requests.close()

    def _report_ends(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._woken, 1 << 16)
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                pid, status = ended
                report = self._reports.pop(pid)
                _send(report, os.waitstatus_to_exitcode(status))
                os.close(report)


def _signals() -> list[signal.Signals]:
    return [getattr(signal, name) for name in _FOR_THE_PROCESSES]


def _receive(requests: socket.socket) -> Request:
    """A request; closed when a program is started."""
    descriptors = array.array("i")
    _, ancillary, _, _ = requests.recvmsg(1, socket.CMSG_SPACE(len(Request._fields) * descriptors.itemsize))
    for _, _, content in ancillary:
        descriptors.frombytes(content)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return Request(*descriptors)


def _send(report: int, number: int) -> None:
    with suppress(BrokenPipeError):  # nobody waits for the process any more
        os.write(report, number.to_bytes(8, "big", signed=True))


def _import(modules: list[str]) -> None:
    """Imports those that can be; a process that needs another one says so itself."""
    for name in modules:
        with suppress(Exception):
            import_module(name)
    gc.collect()
    gc.freeze()  # what is shared stays shared: no collection of a process writes to it


def main(requests: int, sender: int) -> None:
    """Serves, or in a process of its own does the work of a request."""
    for end in (requests, sender):
        os.set_inheritable(end, False)
    server = Server(socket.socket(fileno=requests), socket.socket(fileno=sender))
    length = int.from_bytes(os.read(0, 8), "big")
    content = b""
    while len(content) < length:
        content += os.read(0, length - len(content))
    sys.path[:], modules, environment = pickle.loads(content)
    _import(modules)
    serve(server, environment)


def serve(server: Server, environment: dict[str, str]) -> None:
    """Serves until nobody is left; returns in a process of its own, whose work is done.

    Args:
        environment: the variables with which the imports were done.
    """
    # Python warns of a fork beside threads: those of numpy's BLAS are stopped and made anew by its library.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    request = server.next_process()
    if request is None:
        os._exit(0)  # nothing is open that would need an orderly end
    from harness.sweep.launch import child_main, fork_server

    fork_server.inherit(server.sender, environment)
    os.dup2(request.log, 1)
    os.dup2(request.log, 2)
    os.close(request.log)
    os.close(request.report)
    child_main.main(request.work, request.answer)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
