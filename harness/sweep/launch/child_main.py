"""The program of a child process: `python child_main.py PARENT ANSWER`, started by `child_process.spawn`.

Standard input brings the import paths and the work; the answer goes into the file descriptor
ANSWER. Nothing but the standard library can be imported before the first of these is read.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import threading
import time

_GLANCE = 0.5
"""Seconds between two looks at whether the parent lives."""
_GRACE = 20.0
"""Seconds that the work of a dead parent has to write its checkpoint."""
_LAST = 30.0
"""Seconds that a process may hang in its own end, once the answer is given."""


def main(parent: int, answer: int) -> None:
    """Reads the work, does it, and gives its answer."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    os.set_inheritable(answer, False)  # no program that the work starts is to keep the pipe open
    sys.path[:] = pickle.load(sys.stdin.buffer)
    content = sys.stdin.buffer.read()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    _mask()
    _give(answer, _answer(content))
    _end()


def _watch(parent: int) -> None:
    """Ends this process when its parent has died: first by SIGTERM, so that a training writes a checkpoint.

    Linux could send the signal by itself (PR_SET_PDEATHSIG), but at the end of the *thread* that started
    the process, not of its parent.
    """
    while os.getppid() == parent:
        time.sleep(_GLANCE)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


class _Masked(io.TextIOWrapper):
    """A stream into the log, without passwords and the secrets of the environment."""

    def write(self, text: str, /) -> int:
        from harness.runtime.redact import mask
        from harness.runtime.secret_values import Secrets

        super().write(mask(Secrets(None).text(text), ()))
        return len(text)


def _mask() -> None:
    for name in ("stdout", "stderr"):
        stream = _Masked(
            open(getattr(sys, name).fileno(), "wb", closefd=False),  # noqa: SIM115 (open as long as the process)
            encoding="utf-8",
            errors="backslashreplace",
            line_buffering=True,
        )
        setattr(sys, name, stream)


def _answer(content: bytes) -> bytes:
    """Whether the work was done, a text where it was not, and its value or error, pickled by itself."""
    try:
        import cloudpickle

        value = pickle.loads(content)()
        return pickle.dumps((True, "", cloudpickle.dumps(value)))
    except BaseException as error:
        from harness.core.error_text import described, stack

        error.add_note(f"In the worker process:\n{stack(error)}")
        return pickle.dumps((False, described(error), _carried(error)))


def _carried(error: BaseException) -> bytes:
    try:
        import cloudpickle

        return bytes(cloudpickle.dumps(error))
    except Exception:
        return b""  # it holds what cannot be pickled: its text has to do


def _give(answer: int, content: bytes) -> None:
    with os.fdopen(answer, "wb") as pipe:
        pipe.write(len(content).to_bytes(8, "big"))
        pipe.write(content)


def _end() -> None:
    """Leaves the process some time for its own end: a thread that hangs is not to hold up a sweep."""
    last = threading.Timer(_LAST, os._exit, args=(0,))
    last.daemon = True
    last.start()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
