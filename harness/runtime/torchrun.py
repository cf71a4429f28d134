"""Peers: the processes of one command under torchrun, which speak with one voice and end together.

All do the same work. Rank 0 prints, and writes the run's folder; the others are silent, and what they
write goes into a folder that is removed at their end. Who fails leaves a note on a board that all can
read, so that the others end with that error instead of with the news of a closed connection.
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

from harness.core.errors import Interrupted, ProcessFailed, UserError
from harness.runtime.distributed import Board, join, leave, rank, world

_PATIENCE = 3.0
"""Seconds that a process waits for rank 0 to say the same, before it says it itself."""

_CLOSING = timedelta(seconds=25)
"""How long an interrupted process waits for rank 0 to close the run; torchrun kills after 30 seconds."""


class Note(NamedTuple):
    """Whose failure, the exit status, and the error in a sentence."""

    rank: int
    status: int
    sentence: str


_board: Board | None = None


def together(work: Callable[[list[str]], int], words: list[str]) -> int:
    """Does the work of a command line as one of several processes; its exit status.

    torchrun ends the others as soon as one has left with an error: so one that a signal stopped waits
    until rank 0 has closed the run.
    """
    global _board
    _board = join()
    if rank() == 0:
        status = work(words)
        _board.set("end", str(status))
    else:
        with tempfile.TemporaryDirectory(prefix="harness-") as scratch, _silence():
            status = work(_elsewhere(words, scratch))
        if status > 128:
            with suppress(RuntimeError):
                _board.wait(["end"], _CLOSING)
    if status == 0:
        leave()
    return status


def _elsewhere(words: list[str], folder: str) -> list[str]:
    """The words with another folder, behind the last setting: the parser wants settings side by side."""
    settings = [place for place, word in enumerate(words) if "=" in word and not word.startswith("-")]
    last = settings[-1] + 1 if settings else len(words)
    moved = [f"hydra.run.dir='{folder}/run'", f"hydra.sweep.dir='{folder}/sweep'"]
    return [*words[:last], *moved, *words[last:]]


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing reaches the standard output, whoever writes to it."""
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
    """Within it an error of one process is the error of all.

    Raises:
        ProcessFailed: in place of what befell this process because another one failed.
    """
    try:
        yield
    except BaseException as error:
        if _board is None or world() == 1 or isinstance(error, ProcessFailed | SystemExit):
            raise
        if threading.current_thread() is threading.main_thread():
            # torchrun asks all to end as soon as one has: the run is closed in order first.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
        if _consequence(error):
            raise _blame() from error
        if isinstance(error, Exception):
            leave_note(2 if isinstance(error, UserError) else 1, f"{type(error).__name__}: {error}")
        raise


def _consequence(error: BaseException | None) -> bool:
    """Whether the end of another process may have caused it."""
    if isinstance(error, Interrupted | KeyboardInterrupt):
        return _first() is not None
    while error is not None:
        if isinstance(error, dist.DistError) or (
            isinstance(error, RuntimeError) and any(sign in str(error) for sign in ("gloo", "NCCL"))
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def _blame() -> ProcessFailed:
    note = _first()
    if note is None:
        return ProcessFailed(
            1, "another process of torchrun ended without a word; what torchrun says below names it.", False
        )
    return ProcessFailed(note.status, f"process {note.rank}: {note.sentence}", True)


def leave_note(status: int, sentence: str) -> None:
    """Tells the others that this process has failed, and why."""
    if _board is not None:
        text = json.dumps(Note(rank(), status, " ".join(sentence.split())))
        with suppress(RuntimeError):
            _board.set(f"failure/{rank()}", text)
            _board.compare_set("failure", "", text)


def _first() -> Note | None:
    """The first failure of all."""
    return _read("failure")


def _read(key: str) -> Note | None:
    with suppress(RuntimeError):  # the board is gone with the process that kept it
        if _board is not None and _board.check([key]):
            return Note(*json.loads(_board.get(key)))
    return None


def voice(status: int, sentence: str) -> str | None:
    """How this process introduces its error: "" rank 0, `process 1: ` another; None: rank 0 says the same."""
    leave_note(status, sentence)
    if rank() == 0:
        return ""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        note = _read("failure/0")
        if note is not None and note.status == status and note.sentence == " ".join(sentence.split()):
            return None
        time.sleep(0.02)
    return f"process {rank()}: "
