"""Discards output that nobody reads: `python -m harness ls | head`, or a part that closes standard output."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO


def discard(stream: TextIO | io.FileIO) -> None:
    """Discards from now on what this process and its children write to the stream's file."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class _Pipe(io.FileIO):
    def write(self, data: Any, /) -> Any:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EBADF):
                raise
            discard(self)
            return memoryview(data).nbytes


def tolerate_closed_pipes() -> None:
    """Lets the command continue, and end with its own status, after the readers of its output have ended."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):  # it is None if it was closed when the process started
            stream.flush()
            # Not closed at the end: the descriptor belongs to the original stream.
            raw = io.BufferedWriter(_Pipe(stream.fileno(), "w", closefd=False))
            wrapped = io.TextIOWrapper(
                raw, stream.encoding, stream.errors, line_buffering=stream.line_buffering
            )
            setattr(sys, name, wrapped)
