"""Standard output and standard error of a worker process: they are its log, and contain no secrets."""

from __future__ import annotations

import io
import sys

from harness.core.error_text import mask_errors
from harness.runtime.redact import mask
from harness.runtime.secret_values import Secrets


class MaskedStream(io.TextIOWrapper):
    """A stream in which the secrets of the environment, and of the current trial, are masked.

    Args:
        descriptor: of the file, which stays open as long as the process.
    """

    def __init__(self, descriptor: int) -> None:
        raw = open(descriptor, "wb", closefd=False)  # noqa: SIM115 (open as long as the process)
        super().__init__(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)
        self.secrets = Secrets(None)

    def write(self, text: str, /) -> int:
        super().write(mask(self.secrets.text(text), ()))
        return len(text)


def mask_output() -> None:
    """Masks standard output, standard error and errors of this process from now on."""
    for name in ("stdout", "stderr"):
        setattr(sys, name, MaskedStream(getattr(sys, name).fileno()))
    mask_errors(Secrets(None).text)


def mask_also(secrets: Secrets) -> None:
    """Masks in this process's log and errors what the configuration of a trial says is secret."""
    mask_errors(secrets.text)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, MaskedStream):
            stream.secrets = secrets
