"""What a child process does: reads its work, does it, and gives its answer.

A fork server calls `main`; where processes cannot be forked safely, this is a program of its own,
`python child_main.py WORK ANSWER`. The file descriptor WORK brings the settings of the process and the
work, and stays open as long as the parent lives; the answer goes into ANSWER. Nothing but the standard
library can be imported before the settings are read.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from contextlib import suppress

_GRACE = 20.0
"""Seconds that the work of a dead parent has to write its checkpoint."""
_LAST = 30.0
"""Seconds that a process may hang in its own end, once the answer is given."""


def main(work: int, answer: int) -> None:
    """Reads the work, does it, and gives its answer."""
    for end in (work, answer):
        os.set_inheritable(end, False)  # no program that the work starts is to keep the pipes open
    folder, environment, path = pickle.loads(_read(work))
    content = _read(work)
    threading.Thread(target=_watch, args=(work,), daemon=True).start()
    _settle(folder, environment, path)
    _mask()
    _give(answer, _answer(content))
    _end()


def _read(work: int) -> bytes:
    """The next piece, which follows its size."""
    size = int.from_bytes(_exactly(work, 8), "big")
    return _exactly(work, size)


def _exactly(work: int, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        piece = os.read(work, size - len(content))
        if not piece:
            raise SystemExit("the parent ended before it had sent the work")
        content += piece
    return bytes(content)


def _settle(folder: str, environment: dict[str, str], path: list[str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = path
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()  # forked processes do not share their global generator


def _watch(work: int) -> None:
    """Ends this process when its parent has died: first by SIGTERM, so that a training writes a checkpoint.

    Linux could send the signal by itself (PR_SET_PDEATHSIG), but at the end of the *thread* that started
    the process, not of its parent.
    """
    os.read(work, 1)  # returns nothing, once the other end is closed
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


def _mask() -> None:
    from harness.runtime.masked_output import mask_output

    mask_output()


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
    # A dead parent has closed the other end, and nobody needs the answer: the files of the trials have it.
    with suppress(BrokenPipeError), os.fdopen(answer, "wb") as pipe:
        pipe.write(len(content).to_bytes(8, "big"))
        pipe.write(content)


def _end() -> None:
    """Leaves the process some time for its own end: a thread that hangs is not to hold up a sweep."""
    last = threading.Timer(_LAST, os._exit, args=(0,))
    last.daemon = True
    last.start()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
