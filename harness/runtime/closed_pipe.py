"""Output that nobody reads, as in `python -m harness ls | head`, or that a full disk does not take."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO

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
            if error.errno not in (errno.EPIPE, errno.EBADF):
                _lost.append(str(error.strerror or error))
            discard(self)
            return memoryview(data).nbytes


def tolerate_closed_pipes() -> None:
    """Lets the command continue after its output can no longer be written.

    If its readers have ended, it ends with its own status; after another fault, `lost_output` says which.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):  # it is None if it was closed when the process started
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
