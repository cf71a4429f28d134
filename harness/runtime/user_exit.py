"""What the code of a part may do to the process: end it, or leave threads that never end."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

from harness.core.error_text import described, error_text
from harness.core.errors import Interrupted

_PARSERS = ("argparse", "harness", "hydra")
"""Packages that end the process on purpose, such as after `--help`."""

_NOTICE = 2.0
LONGEST_WAIT = 30.0
"""Seconds that the end of the process waits for threads that still run."""


class CodeExited(Exception):
    """The user's code ended the process, such as by `sys.exit()`; the run is recorded as failed."""

    @classmethod
    def by(cls, error: BaseException) -> CodeExited:
        """The error for a `SystemExit`, or for another one that is no `Exception`."""
        if not isinstance(error, SystemExit):
            return cls(described(error))
        code = "" if error.code is None else error_text(error)
        return cls(
            f"the code of a part called sys.exit({code}); a part reports an error by raising an exception"
        )


@contextmanager
def exits_as_errors() -> Iterator[None]:
    """Within it, a call of `sys.exit` is an error: a part that ends the process has not done its work.

    Raises:
        CodeExited: for `SystemExit` and any other error that is no `Exception`, except a request to stop.
    """
    try:
        yield
    except BaseException as error:
        if as_error(error) is error:
            raise
        raise as_error(error) from error


def as_error(error: BaseException) -> BaseException:
    """`CodeExited` for an error by which the code of a part ends the process; any other as it is."""
    passes = isinstance(error, Exception | KeyboardInterrupt | Interrupted)
    return error if passes else CodeExited.by(error)


def exit_status(left: SystemExit) -> int | None:
    """The status of an exit after `--help` or a mistyped option; None where other code called `sys.exit`."""
    if _origin(left.__traceback__).partition(".")[0] not in _PARSERS:
        return None
    return 0 if left.code is None else left.code if isinstance(left.code, int) else 1


def limit_wait(status: int) -> None:
    """Lets the process end with `status` although threads of the user's code still run.

    Python waits at its end for every thread that is no daemon. Call this before the end.
    """
    if _threads():
        threading.Thread(target=_end_anyway, args=(status,), daemon=True).start()


def _end_anyway(status: int) -> None:
    time.sleep(_NOTICE)
    if threads := _threads():
        _say(f"waiting at most {LONGEST_WAIT:g} s for {threads}, which the code of a part has started")
    time.sleep(LONGEST_WAIT - _NOTICE)
    if threads := _threads():
        _say(f"{threads} did not end; the command ends without it")
        logging.shutdown()
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(status)


def _threads() -> str:
    """The threads that Python would wait for."""
    others = (thread for thread in threading.enumerate() if thread is not threading.main_thread())
    return ", ".join(f"thread {thread.name!r}" for thread in others if not thread.daemon)


def _say(text: str) -> None:
    with suppress(OSError, ValueError):  # the stream may be closed
        print(f"! {text}", file=sys.stderr, flush=True)


def _origin(trace: TracebackType | None) -> str:
    """The module of the innermost call."""
    name = ""
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return name
