"""`--json`: a command prints one JSON object on standard output, and everything else on standard error.

    python -m harness check model=mlp --json | python -m json.tool

The object appears when the command has ended, or when `serve` and `ui` are about to become a server.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from harness.cli.json_results import VERSION, Answer
from harness.cli.verb_outcome import Outcome
from harness.core.errors import Interrupted, UserError
from harness.runs.run_result import strict_json


def answer(act: Callable[[], Outcome], command: Callable[[], str]) -> Outcome:
    """Carries out a command and prints its object.

    Args:
        act: carries it out; all errors are in its outcome.
        command: its name afterwards: a verb, `run` or `sweep`.
    """
    with text_on_stderr():
        outcome = act()
    _put(command(), outcome)
    return outcome


_CONTINUED = {
    "run": "the same command with resume=auto continues it",
    "sweep": "the same command continues it",
}


def failure(
    error: BaseException, mistake: UserError | None, message: str, command: str = ""
) -> dict[str, Any]:
    """An error as a `harness.cli.json_results.Failure`, with what it says still unmasked.

    Args:
        mistake: the error as the user's mistake; None: it is none.
        message: what was printed; nothing where a signal ended the command.
        command: a verb, `run` or `sweep`: the latter two can be continued.
    """
    found = mistake or error
    text = message.removeprefix("error: ") or f"ended by {type(error).__name__}"
    fields: dict[str, Any] = {"kind": type(found).__name__, "message": text}
    if isinstance(error, Interrupted | KeyboardInterrupt):
        name = signal.Signals(error.signum if isinstance(error, Interrupted) else signal.SIGINT).name
        remedy = _CONTINUED.get(command)
        message = f"stopped by {name}" + (f"; {remedy}." if remedy else ".")
        empty = dict.fromkeys(("rule", "value", "key"))
        return fields | empty | {"message": message, "remedy": remedy}
    if mistake is None:
        return fields | dict.fromkeys(("rule", "value", "remedy", "key"))
    value = None if mistake.value is None else str(mistake.value)
    return fields | {"rule": mistake.rule, "value": value, "remedy": mistake.remedy, "key": mistake.key}


def _put(command: str, outcome: Outcome) -> None:
    if os.environ.get("RANK", "0") != "0":
        return  # rank 0 of torchrun answers for all
    content: Answer = {
        "schema": VERSION,
        "command": command,
        "status": outcome.status,
        "result": _plain(outcome.result),
        "error": _plain(outcome.error),
    }
    print(json.dumps(content, ensure_ascii=False, allow_nan=False, default=str), flush=True)


def _plain(value: Mapping[str, Any] | None) -> Any:
    return None if value is None else strict_json(value)


@contextmanager
def text_on_stderr() -> Iterator[None]:
    """Sends to standard error what this process, and those that it starts, print on standard output."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # a stream of a notebook or a test
        descriptor = None
    if descriptor != 1:
        with redirect_stdout(sys.stderr):
            yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
