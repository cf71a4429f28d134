"""`python -m harness` in a process that need not import torch: a server of this session forks it."""

from __future__ import annotations

import importlib
import os
import runpy
import signal
import sys
import traceback
from functools import partial
from pathlib import Path
from unittest import mock

import cloudpickle

from harness.sweep.launch.child_process import Child, spawn

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no child can import a test

_ENVIRONMENT = {
    **os.environ,
    **dict.fromkeys(("HYDRA_FULL_ERROR", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Of the server; what a command runs with is set in its own process. Sweeps in the test's process use the
same server."""
_IMPORTED = ("harness.run", "harness.stages.score_fold", "harness.sweep.run_sweep", "sklearn.datasets")
"""What a command imports, beside what the tests have imported so far."""


class ForkedCommand:
    """A command under way, in a session of its own.

    Args:
        words: of `python -m harness`.
        folder: where it is typed.
        out, err: take what it prints.
        variables: on top of those of the test.
    """

    def __init__(
        self, words: tuple[str, ...], folder: Path, out: Path, err: Path, variables: dict[str, str]
    ) -> None:
        for name in _IMPORTED:
            importlib.import_module(name)
        work = partial(_run, words, folder, out, err, {**os.environ, **variables})
        for file in (out, err):
            file.touch()
        with mock.patch.dict(os.environ, _ENVIRONMENT, clear=True):
            self._child: Child[int] = spawn(work, {}, out.with_suffix(".log"))

    @property
    def pid(self) -> int:
        return self._child.pid

    def poll(self) -> int | None:
        """Its exit status (negative: the signal that ended it), or None while it runs."""
        outcome = self._child.poll()
        if outcome is None:
            return None
        return self._child.status if outcome.value is None else outcome.value

    def wait(self, timeout: float) -> int:
        """Its exit status, awaited for at most `timeout` seconds."""
        self._child.wait(timeout)
        status = self.poll()
        assert status is not None
        return status


def _run(words: tuple[str, ...], folder: Path, out: Path, err: Path, variables: dict[str, str]) -> int:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    for number, file in ((1, out), (2, err)):
        with file.open("ab") as opened:
            os.dup2(opened.fileno(), number)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 (open as long as the process)
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.argv = ["harness", *words]
    sys.path.insert(0, str(folder))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        runpy.run_module("harness", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0
