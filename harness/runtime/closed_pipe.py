"""Output whose reader has gone, as in `python -m harness ls | head`: the rest of it goes nowhere."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO


def discard(stream: TextIO | io.FileIO) -> None:
    """From now on, what this process and its children write to the stream's file goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class _Pipe(io.FileIO):
    def write(self, data: Any, /) -> Any:
        try:
            return super().write(data)
        except BrokenPipeError:
            discard(self)
            return memoryview(data).nbytes


def tolerate_closed_pipes() -> None:
    """Lets the standard streams outlive their readers: the command goes on, to its own status."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):  # None: it was closed when the process began
            stream.flush()
            # Not closed at the end: the descriptor belongs to the stream that was here before.
            raw = io.BufferedWriter(_Pipe(stream.fileno(), "w", closefd=False))
            wrapped = io.TextIOWrapper(
                raw, stream.encoding, stream.errors, line_buffering=stream.line_buffering
            )
            setattr(sys, name, wrapped)
