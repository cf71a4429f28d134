"""Fits baselines in a process of its own, beside a training.

    with BaselineProcess() as process:
        pending = process.submit(fits)  # of a fold
        ...                             # its training
        outputs = pending.result()      # None: they are still to be fitted

The process is a fresh interpreter, which imports scikit-learn and not torch: a fork would copy the locks and
the device of a process that trains. Work and answers travel through pipes. A fold whose turn has not come
when its result is asked for is given back, so nobody waits for work that is not under way. The
outputs have the same bits as those of `predicted` in this process: same versions, same numbers of threads.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from harness.evaluate.baseline_fits import Fit

Outputs = dict[str, dict[str, np.ndarray]]
"""By the name of the baseline, then of the part; a baseline that failed is left out."""

_PROGRAM = Path(__file__).with_name("baseline_program.py")

_MOST_BYTES = 256 * 2**20
"""Most bytes of rows that wait for the process."""


class PendingFits:
    """The baselines of a fold, which may be under way; made by `BaselineProcess.submit`."""

    def __init__(self, process: BaselineProcess, fits: Sequence[Fit], size: int) -> None:
        self._process = process
        self.fits: Sequence[Fit] | None = fits
        self.size = size
        self.ended = threading.Event()
        self.outputs: Outputs | None = None

    def result(self) -> Outputs | None:
        """Their outputs, waited for if they are under way; None: not begun, or the process was lost."""
        if not self._process.take_back(self):
            self.ended.wait()
        return self.outputs


class BaselineProcess:
    """The process; it is started at once, and killed when the block ends.

    Where it cannot be started, or dies, every result is None.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[PendingFits] = deque()
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None
        with suppress(OSError, ImportError):  # no program to start, no scikit-learn
            threads = _threads()
            self._process = _started()
            arguments = (self._process, (sys.path, threads))
            self._thread = threading.Thread(target=self._serve, args=arguments, daemon=True)
            self._thread.start()

    def __enter__(self) -> BaselineProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """None: it could not be started."""
        return None if self._process is None else self._process.pid

    def submit(self, fits: Sequence[Fit]) -> PendingFits | None:
        """Has the baselines of a fold fitted; None where as many rows wait as may be held at a time."""
        size = _size(fits)
        with self._changed:
            held = sum(pending.size for pending in self._waiting)
            if self._process is None or self._closed or held + size > _MOST_BYTES:
                return None
            pending = PendingFits(self, fits, size)
            self._waiting.append(pending)
            self._changed.notify()
        return pending

    def take_back(self, pending: PendingFits) -> bool:
        """Whether the process had not begun these fits; then it never will."""
        with self._changed:
            if pending not in self._waiting:
                return False
            self._waiting.remove(pending)
            return True

    def close(self) -> None:
        """Kills the process and waits for its end; what waits is given back."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._thread.join()
            self._process = None

    def _serve(self, process: subprocess.Popen[bytes], first: Any) -> None:
        """Sends one fold after another to the process: the pipe holds the rows of one."""
        assert process.stdin is not None
        assert process.stdout is not None
        pending = None
        # Its end may come at any byte of an answer: what pickle then raises is not always the same.
        with suppress(Exception), process.stdin as requests, process.stdout as answers:
            _send(first, requests)
            pickle.load(answers)
            while (pending := self._next()) is not None:
                fits, pending.fits = pending.fits, None
                _send(fits, requests)
                del fits
                pending.outputs = pickle.load(answers)
                pending.ended.set()
        with self._changed:
            self._closed = True
            left = [*self._waiting, *([] if pending is None else [pending])]
            self._waiting.clear()
        for pending in left:
            pending.ended.set()

    def _next(self) -> PendingFits | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return None if self._closed else self._waiting.popleft()


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # -P: modules must not be searched in the folder of the program.
        [sys.executable, "-P", "-W", "ignore", os.fspath(_PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _threads() -> dict[str, int]:
    """How many threads each library of this process takes, by its file."""
    from threadpoolctl import threadpool_info

    return {library["filepath"]: library["num_threads"] for library in threadpool_info()}


def _send(message: Any, requests: IO[bytes]) -> None:
    pickle.dump(message, requests, pickle.HIGHEST_PROTOCOL)
    requests.flush()


def _size(fits: Sequence[Fit]) -> int:
    """The bytes of the rows; rows that several fits share count once."""
    held: dict[int, int] = {}
    for fit in fits:
        parts = [part.inputs for part in (fit.train, fit.valid) if part is not None]
        for inputs in (*parts, *fit.others.values()):
            held[id(inputs)] = inputs.nbytes
    return sum(held.values())
