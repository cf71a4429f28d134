"""Several processes of one training, as torchrun starts them, but forked by a server with all imports.

The server has one thread. A fork of the test's own process may deadlock: a thread of an earlier test that
holds a lock at this moment is not taken along, and its lock stays closed.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import multiprocessing.forkserver
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import cloudpickle
import torch.distributed as dist

_TESTS = Path(__file__).parents[1]
_IMPORTED = (
    "harness.run",
    "harness.stages.score_fold",
    "harness.sweep.run_sweep",
    "harness.config.error_messages",
    "harness.record.plots",
    "matplotlib.pyplot",
    "sklearn.datasets",
    "hydra.core.plugins",
    "torch._dynamo",
    "torch.distributed.fsdp",
)
_PATCHED = ("fit_baselines", "find_importance")
"""Of `score_fold`: what the fixtures of tests/conftest.py replace holds in the processes too."""
_PATIENCE = 120.0
"""Seconds for what takes ten of them on a quiet machine."""


class Ended(NamedTuple):
    """What a process came to; `value` is what its function gave, or the text of its error."""

    value: Any
    out: str
    err: str


class Running:
    """Processes under way, by rank."""

    def __init__(self, processes: list[Any], folder: Path, board: object) -> None:
        self._processes = processes
        self._board = board
        self._folder = folder

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def wait(self) -> list[Ended]:
        """What all of them came to."""
        self.wait_for_end()
        return [self._ended(rank) for rank in range(len(self._processes))]

    def wait_for_end(self) -> None:
        """Waits until none is left, whatever it came to."""
        self._until(lambda: not self._at_work())

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits for something that they do."""
        self._until(lambda: condition() or not self._at_work())
        assert condition(), self._output()

    def err(self, rank: int) -> str:
        return (self._folder / f"{rank}.err").read_text()

    def kill(self) -> None:
        for process in self._at_work():
            process.kill()
            process.join()

    def _until(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > until:
                for process in self._at_work():
                    os.kill(process.pid, signal.SIGUSR1)  # prints where it is
                time.sleep(1)
                self.kill()
                raise TimeoutError(f"what was awaited did not come within two minutes:\n{self._output()}")
            time.sleep(0.01)

    def _at_work(self) -> list[Any]:
        return [process for process in self._processes if process.exitcode is None]

    def _output(self) -> str:
        ranks = range(len(self._processes))
        return "\n".join(
            (self._folder / f"{rank}.{end}").read_text() for rank in ranks for end in ("out", "err")
        )

    def _ended(self, rank: int) -> Ended:
        value = pickle.loads((self._folder / f"{rank}.value").read_bytes())
        return Ended(value, *((self._folder / f"{rank}.{end}").read_text() for end in ("out", "err")))


def start(function: Callable[..., Any], *arguments: Any, folder: Path, count: int = 2) -> Running:
    """Calls `function(*arguments)` in `count` processes that know each other by torchrun's variables."""
    from harness.stages import score_fold

    # torchrun keeps what the processes tell each other, so that it outlives each of them.
    board = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    _carry_tests()
    patches = {name: getattr(score_fold, name) for name in _PATCHED}
    processes = []
    for rank in range(count):
        variables = {
            "RANK": rank,
            "LOCAL_RANK": rank,
            "WORLD_SIZE": count,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": board.port,
            "TORCHELASTIC_USE_AGENT_STORE": True,
        }
        environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
        for end in ("out", "err"):
            (folder / f"{rank}.{end}").touch()
        work = partial(_live, function, arguments, folder, environment, patches)
        processes.append(_context().Process(target=_Carried(cloudpickle.dumps(work))))
        processes[-1].start()
    return Running(processes, folder, board)


class _Carried:
    """Work that becomes itself again in the process that unpickles it, also a closure of a test."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        return cloudpickle.loads, (self._content,)


def _carry_tests() -> None:
    """No process can import a test or this file: what is defined there is carried by value."""
    for module in list(sys.modules.values()):
        if (file := getattr(module, "__file__", None)) and Path(file).is_relative_to(_TESTS):
            cloudpickle.register_pickle_by_value(module)


def _context() -> Any:
    """That of the server, which is started the first time, with the variables that libraries read."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED))
    with mock.patch.dict(os.environ, {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}):
        multiprocessing.forkserver.ensure_running()
    return context


def _await(files: Sequence[Path]) -> None:
    """Returns once all of them are there, or after some seconds: a process may have been killed."""
    end = time.monotonic() + 5
    while time.monotonic() < end and not all(file.exists() for file in files):
        time.sleep(0.01)


def _live(
    function: Callable[..., Any],
    arguments: Any,
    folder: Path,
    environment: dict[str, str],
    patches: dict[str, Any],
) -> None:
    """The whole life of a process."""
    from harness.stages import score_fold

    os.environ.clear()
    os.environ.update(environment)
    rank = environment["RANK"]
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(folder / f"{rank}.{name}", os.O_WRONLY | os.O_APPEND)
        os.dup2(file, number)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    faulthandler.register(signal.SIGUSR1, file=2)
    for name, value in patches.items():
        setattr(score_fold, name, value)
    try:
        value = function(*arguments)
    except BaseException:
        value = traceback.format_exc()
    (folder / f"{rank}.value").write_bytes(cloudpickle.dumps(value))
    if dist.is_initialized():  # whoever still connects to this process must find it
        _await([folder / f"{number}.value" for number in range(int(environment["WORLD_SIZE"]))])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
