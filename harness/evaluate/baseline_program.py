"""The program of a process that fits baselines, started by `baseline_process`.

It reads requests from its standard input and writes answers to its standard output, both pickled. A first
message says from where to import and how many threads each library of the parent has; None is the answer
once scikit-learn is imported. Then each request is a list of `Fit`, whose answer has the outputs of each by
name, without those that failed. The process ends when its parent closes the pipe or has died, also within a
fit.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, BinaryIO

_FOR_THE_PARENT = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
"""Signals that a terminal or a scheduler sends to all processes of a run: the parent decides what follows."""

_NOT_NEEDED = ("pandas", "pyarrow")
"""scikit-learn would import these to recognise their tables, in a third of the time of its own import."""


def main() -> None:
    """Answers requests until the parent is gone."""
    for name in _FOR_THE_PARENT:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    requests, answers = sys.stdin.buffer, _own_output()
    sys.path[:], threads = pickle.load(requests)
    waiting: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_read, args=(requests, waiting), daemon=True).start()
    _import_estimators()
    _set_threads(threads)
    _write(None, answers)
    while True:
        _write(_answered(waiting.get()), answers)


def _own_output() -> BinaryIO:
    """The standard output for the answers alone: what a library prints goes nowhere."""
    answers, nowhere = os.fdopen(os.dup(1), "wb"), os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        os.dup2(nowhere, output)
    return answers


def _read(requests: BinaryIO, waiting: SimpleQueue[Any]) -> None:
    try:
        while True:
            waiting.put(pickle.load(requests))
    finally:  # the parent is gone
        os._exit(0)


def _import_estimators() -> None:
    left_out = [name for name in _NOT_NEEDED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(left_out))  # type: ignore[arg-type]  # None: it cannot be imported
    import sklearn.ensemble
    import sklearn.linear_model
    import sklearn.pipeline  # noqa: F401  # nothing but the import

    for name in left_out:
        sys.modules.pop(name, None)


def _set_threads(threads: dict[str, int]) -> None:
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().lib_controllers:
        if library.filepath in threads:
            library.set_num_threads(threads[library.filepath])


def _answered(fits: list[Any]) -> dict[str, Any]:
    from harness.evaluate.baseline_fits import predicted

    answer = {}
    for fit in fits:
        with suppress(Exception):  # the parent fits it as well, and says why it fails
            answer[fit.name] = predicted(fit)
    return answer


def _write(answer: Any, answers: BinaryIO) -> None:
    pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
    answers.flush()


if __name__ == "__main__":
    main()
