"""Runs a piece of work in a fresh Python process and returns its outcome.

    child = spawn(partial(square, 3), {"OMP_NUM_THREADS": "1"}, Path("worker.log"))
    child.wait().result()  # 9

The work travels through a pipe and so does the answer: neither is ever on a disk, where passwords in it
could be read. The process belongs to the terminal's group, so that Ctrl-C reaches it as well; it ends
by itself when its parent has died. `child_main.py` is what the child does. On Linux the child is forked by
a server that has done the imports (`fork_server.py`); elsewhere it imports them itself.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import cloudpickle

from harness.sweep.launch.fork_server import Process, fork

T = TypeVar("T")

_CHILD_MAIN = Path(__file__).with_name("child_main.py")
_FORKS: bool = sys.platform == "linux"
"""Elsewhere there is no fork, or the libraries of the system do not allow it once they are loaded (macOS)."""
_SIZE = 8
"""Bytes in front of an answer that say how long it is."""
_PATIENCE = 5.0
"""Seconds that the rest of an answer may take once its process has ended."""


class Died(Exception):
    """A process ended before it had an answer; the sentence says how."""


class Failed(Exception):
    """The work failed with an error that cannot be carried from one process to another; says its text."""


@dataclass(frozen=True)
class ChildOutcome(Generic[T]):
    """How a process ended.

    value   what the work gave, where there is no error
    error   what it raised, with the process's own stack of calls as a note; `Died` where the process ended
            without an answer
    signal  the number of the signal that ended it, such as 9
    """

    value: T | None = None
    error: BaseException | None = None
    signal: int | None = None

    def result(self) -> T:
        """The value.

        Raises:
            BaseException: the error, where there is one.
        """
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


class Child(Generic[T]):
    """A process at work; made by `spawn`."""

    def __init__(self, process: Process | subprocess.Popen[bytes], work: int, answer: int, log: Path) -> None:
        self._process = process
        self._work = work
        self._log = log
        self._answer = bytearray()
        self._reader = threading.Thread(target=self._read, args=(answer,), daemon=True)
        self._reader.start()
        self._lock = threading.Lock()
        self._outcome: ChildOutcome[T] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status of its process (negative: the signal that ended it), or None while it works."""
        return self._process.returncode

    def poll(self) -> ChildOutcome[T] | None:
        """Its outcome, or None while it works."""
        return None if self._process.poll() is None else self._ended()

    def wait(self, timeout: float | None = None) -> ChildOutcome[T]:
        """Waits until its process has ended and returns its outcome.

        Args:
            timeout: seconds.

        Raises:
            TimeoutError: it works still.
        """
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"process {self.pid} works still after {timeout} s") from None
        return self._ended()

    def terminate(self) -> None:
        """Asks it to end (SIGTERM); a training then writes its checkpoint first."""
        self._process.terminate()

    def kill(self) -> None:
        """Ends it at once (SIGKILL)."""
        self._process.kill()

    def _read(self, answer: int) -> None:
        """Reads the answer while the process works: a pipe holds 64 kB, and a full pipe blocks its writer."""
        with os.fdopen(answer, "rb", buffering=0) as pipe:
            # A process that was forked by the child may keep the pipe open for ever: the size says when
            # everything is here.
            while not self._whole() and (piece := pipe.read(1 << 20)):
                self._answer += piece

    def _whole(self) -> bool:
        size = int.from_bytes(self._answer[:_SIZE], "big")
        return len(self._answer) >= _SIZE + max(size, 1)

    def _ended(self) -> ChildOutcome[T]:
        with self._lock:
            if self._outcome is None:
                self._reader.join(_PATIENCE)
                os.close(self._work)
                _discard_empty(self._log)
                self._outcome = self._read_answer() if self._whole() else self._death()
            return self._outcome

    def _read_answer(self) -> ChildOutcome[T]:
        done, text, content = pickle.loads(self._answer[_SIZE:])
        try:
            answer = pickle.loads(content)
        except Exception as error:  # whatever a class does in being read, or its module in being imported
            return ChildOutcome(error=Failed(text or f"what the worker process gave cannot be read: {error}"))
        return ChildOutcome(value=answer) if done else ChildOutcome(error=answer)

    def _death(self) -> ChildOutcome[T]:
        status = self._process.wait()
        output = f"; its last output is in {self._log}" if self._log.exists() else ""
        if status >= 0:
            return ChildOutcome(
                error=Died(f"the worker process ended with status {status} and no answer{output}.")
            )
        why = ", often a sign that the memory ran out" if -status == signal.SIGKILL else ""
        return ChildOutcome(
            error=Died(f"the worker process ended by signal {-status} ({_name(-status)}){why}{output}."),
            signal=-status,
        )


def spawn(work: Callable[[], T], environment: Mapping[str, str], log: Path) -> Child[T]:
    """Calls `work()` in a process of its own that imports from where this one does.

    Args:
        work: anything that cloudpickle can carry: also a closure, or a function of the script itself.
        environment: variables on top of this process's own.
        log: takes what the process prints, passwords masked; not there where it prints nothing.
    """
    variables = {**os.environ, **environment}
    # Each pickle by itself: the paths must be known before the work's modules can be imported.
    pieces = pickle.dumps((os.getcwd(), variables, sys.path)), cloudpickle.dumps(work)
    (their_work, ours), (answer, their_answer) = os.pipe(), os.pipe()
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("ab") as output:
            process = _start(their_work, their_answer, output.fileno(), variables)
    except BaseException:
        os.close(ours)
        os.close(answer)
        raise
    finally:
        os.close(their_work)
        os.close(their_answer)
    threading.Thread(target=_feed, args=(ours, pieces), daemon=True).start()
    return Child(process, ours, answer, log)


def _start(
    work: int, answer: int, log: int, variables: Mapping[str, str]
) -> Process | subprocess.Popen[bytes]:
    if _FORKS:
        return fork(work, answer, log, variables)
    return subprocess.Popen(
        # -P: modules must not be searched in the folder of child_main.py, which has a ray.py.
        [sys.executable, "-P", str(_CHILD_MAIN), str(work), str(answer)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=(work, answer),
        env=variables,
    )


def _feed(work: int, pieces: Iterable[bytes]) -> None:
    """In a thread of its own: a process that is slow to start does not hold up the next one.

    The pipe stays open: its end is what tells the process that its parent has died.
    """
    with suppress(BrokenPipeError):  # it has died, which `wait` reports
        for piece in pieces:
            left = memoryview(len(piece).to_bytes(_SIZE, "big") + piece)
            while left:
                left = left[os.write(work, left) :]


def _discard_empty(log: Path) -> None:
    with suppress(OSError):
        if log.stat().st_size == 0:
            log.unlink()


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has a number alone
        return "a real-time signal"
