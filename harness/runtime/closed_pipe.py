"""Output that nobody reads, as in `python -m harness ls | head`, or that a full disk does not take."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO

_NO_READER = (errno.EPIPE, errno.EBADF, errno.EIO)
"""The reader has ended, a part has closed the stream, or the terminal has vanished."""

_lost: list[str] = []
"""Why output was discarded that somebody would have read."""


def discard(stream: TextIO | io.FileIO) -> None:
    """Discards from now on what this process and its children write to the stream's file."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class _Output(io.FileIO):
    def write(self, data: Any, /) -> Any:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _NO_READER:
                _lost.append(str(error.strerror or error))
            discard(self)
            return memoryview(data).nbytes


def tolerate_closed_pipes() -> None:
    """Lets the command continue after its output can no longer be written.

    If its readers have ended, it ends with its own status; after another fault, `lost_output` says which.
    A stream that was closed when the process started is opened on nothing. Otherwise a file of the run would
    take its number, and receive what child processes print.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, _nothing(number))
        elif number > 0 and isinstance(stream, io.TextIOWrapper):
            stream.flush()
            # Not closed at the end: the descriptor belongs to the original stream.
            raw = io.BufferedWriter(_Output(stream.fileno(), "w", closefd=False))
            wrapped = io.TextIOWrapper(
                raw, stream.encoding, stream.errors, line_buffering=stream.line_buffering
            )
            setattr(sys, name, wrapped)


def lost_output() -> str | None:
    """Writes what is buffered; returns a sentence if output was lost, as on a full disk."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
    return f"the output could not be written ({_lost[0]})." if _lost else None


def standard_output() -> TextIO:
    """The standard output; a file that discards all if it was closed when the process started."""
    return _nothing(None) if sys.stdout is None else sys.stdout


def _nothing(number: int | None) -> TextIO:
    """Opens a file without content; as descriptor `number`, unless another file has that by now."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if number is not None and nowhere != number and not _is_open(number):
        os.dup2(nowhere, number)
        os.close(nowhere)
        nowhere = number
    return open(nowhere, "r" if number == 0 else "w", encoding="utf-8", closefd=False)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
