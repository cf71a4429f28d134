"""The log file of a run: log records and warnings of all libraries, with secrets masked."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from harness.core.error_text import clipped, printable
from harness.runtime.secret_values import Secrets

_LONGEST = 50_000
"""Most characters of one record."""


class _Masked(logging.Formatter):
    def __init__(self, secrets: Secrets) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return clipped(printable(self._secrets.text(super().format(record))), _LONGEST)


class _LogFile(logging.FileHandler):
    """A log that the disk does not take is left out: the run reports the full disk itself."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - of logging.Handler
        """Prints no stack of calls."""

    def close(self) -> None:
        with suppress(OSError):
            super().close()


def open_log(path: Path, secrets: Secrets) -> logging.Logger:
    """Sends all log records and warnings to `path`, with secrets masked, until `close_log`."""
    handler = _LogFile(path, delay=True, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(_Masked(secrets))
    root = logging.getLogger()
    root.addHandler(handler)
    logging.captureWarnings(True)
    log = logging.getLogger("harness")
    if log.level != logging.INFO:  # setting it empties the caches of all loggers
        log.setLevel(logging.INFO)
    return log


def close_log(log: logging.Logger) -> None:
    logging.captureWarnings(False)
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h.formatter, _Masked)]:
        root.removeHandler(handler)
        handler.close()
