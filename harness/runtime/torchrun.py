"""Runs one command in the processes of torchrun, which print once and end together.

All do the same work. Rank 0 prints and writes the run's folder. The others print nothing and write into a
temporary folder. A process that fails stores its error in the shared key-value store, so that the others
end with that error instead of that of a closed connection.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import NamedTuple

import torch.distributed as dist

from harness.core.error_text import described
from harness.core.errors import Interrupted, ProcessFailed, UserError
from harness.runtime.distributed import Board, join_group, leave_group
from harness.runtime.process_group import rank, world

_REPEAT_WAIT = 3.0
"""Seconds that a process waits for rank 0 to report the same error, before it reports the error itself."""

_CLOSING = timedelta(seconds=25)
"""How long an interrupted process waits for rank 0 to close the run; torchrun kills it after 30 seconds."""


class Note(NamedTuple):
    """The failure of a process: its rank, exit status, and error message."""

    rank: int
    status: int
    sentence: str


_board: Board | None = None


def run_in_group(work: Callable[[list[str]], int], words: list[str]) -> int:
    """Executes a command line in one of several processes; returns its exit status.

    torchrun ends all processes as soon as one exits with an error. A process that was stopped by a signal
    therefore waits until rank 0 has closed the run.
    """
    global _board
    _board = join_group()
    if rank() == 0:
        status = work(words)
        _board.set("end", str(status))
    else:
        with tempfile.TemporaryDirectory(prefix="harness-") as scratch, _discarded_output():
            status = work(_elsewhere(words, scratch))
        if status > 128:
            with suppress(RuntimeError):
                _board.wait(["end"], _CLOSING)
    if status == 0:
        leave_group()
    return status


def _elsewhere(words: list[str], folder: str) -> list[str]:
    """Returns the command line with another output folder.

    The folder is set directly after the last override, because the parser needs the overrides next to each
    other.
    """
    settings = [place for place, word in enumerate(words) if "=" in word and not word.startswith("-")]
    last = settings[-1] + 1 if settings else len(words)
    moved = [f"hydra.run.dir='{folder}/run'", f"hydra.sweep.dir='{folder}/sweep'"]
    return [*words[:last], *moved, *words[last:]]


@contextmanager
def _discarded_output() -> Iterator[None]:
    """Discards what anything writes to the standard output."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def shared_failure() -> Iterator[None]:
    """Within this context, an error of one process becomes the error of all.

    Raises:
        ProcessFailed: another process failed first and caused this one's error.
    """
    try:
        yield
    except BaseException as error:
        if _board is None or world() == 1 or isinstance(error, ProcessFailed | SystemExit):
            raise
        if threading.current_thread() is threading.main_thread():
            # torchrun signals all processes when one has ended; they are ignored until the run is closed.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
        if _caused_by_peer(error):
            raise _peer_failure() from error
        if isinstance(error, Exception):
            leave_note(2 if isinstance(error, UserError) else 1, described(error))
        raise


def _caused_by_peer(error: BaseException | None) -> bool:
    """Whether the end of another process may have caused the error."""
    if isinstance(error, Interrupted | KeyboardInterrupt):
        return _first() is not None
    while error is not None:
        if isinstance(error, dist.DistError) or (
            isinstance(error, RuntimeError) and any(sign in str(error) for sign in ("gloo", "NCCL"))
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def _peer_failure() -> ProcessFailed:
    note = _first()
    if note is None:
        return ProcessFailed(
            1, "another process of torchrun ended without a message; torchrun names it below.", False
        )
    return ProcessFailed(note.status, f"process {note.rank}: {note.sentence}", True)


def leave_note(status: int, sentence: str) -> None:
    """Stores for the other processes that this one has failed, and why."""
    if _board is not None:
        text = json.dumps(Note(rank(), status, " ".join(sentence.split())))
        with suppress(RuntimeError):
            _board.set(f"failure/{rank()}", text)
            _board.compare_set("failure", "", text)


def _first() -> Note | None:
    """Returns the first failure of any process."""
    return _read("failure")


def _read(key: str) -> Note | None:
    with suppress(RuntimeError):  # the store ends with the process that hosts it
        if _board is not None and _board.check([key]):
            return Note(*json.loads(_board.get(key)))
    return None


def error_prefix(status: int, sentence: str) -> str | None:
    """Returns what to print before an error: "" on rank 0, `process 1: ` on another.

    None: print nothing, because rank 0 reports the same error.
    """
    leave_note(status, sentence)
    if rank() == 0:
        return ""
    until = time.monotonic() + _REPEAT_WAIT
    while time.monotonic() < until:
        note = _read("failure/0")
        if note is not None and note.status == status and note.sentence == " ".join(sentence.split()):
            return None
        time.sleep(0.02)
    return f"process {rank()}: "
