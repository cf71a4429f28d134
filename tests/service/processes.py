"""Several processes of one training, as torchrun starts them, but forked: nothing is imported anew."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch.distributed as dist


class Ended(NamedTuple):
    """What a process came to; `value` is what its function gave, or the text of its error."""

    value: Any
    out: str
    err: str


class Running:
    """Processes under way, by rank."""

    def __init__(self, pids: list[int], folder: Path, board: object) -> None:
        self.pids = pids
        self.board = board
        self.folder = folder

    def wait(self) -> list[Ended]:
        """Waits for all of them, two minutes at most: a fork beside a busy thread may deadlock."""
        until = time.monotonic() + 120
        left = list(self.pids)
        while left:
            left = [pid for pid in left if os.waitpid(pid, os.WNOHANG) == (0, 0)]
            if left and time.monotonic() > until:
                for pid in left:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                raise TimeoutError(f"{len(left)} of {len(self.pids)} processes did not end")
            time.sleep(0.01)
        return [self._ended(rank) for rank in range(len(self.pids))]

    def _ended(self, rank: int) -> Ended:
        value = pickle.loads((self.folder / f"{rank}.value").read_bytes())
        return Ended(value, *((self.folder / f"{rank}.{end}").read_text() for end in ("out", "err")))


def start(function: Callable[..., Any], *arguments: Any, folder: Path, count: int = 2) -> Running:
    """Calls `function(*arguments)` in `count` processes that know each other by torchrun's variables."""
    # torchrun keeps what the processes tell each other, so that it outlives each of them.
    board = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    time.sleep(0.1)  # until the board's thread has come to rest: it is not taken along by a fork
    pids = []
    for rank in range(count):
        variables = {
            "RANK": rank,
            "LOCAL_RANK": rank,
            "WORLD_SIZE": count,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": board.port,
            "TORCHELASTIC_USE_AGENT_STORE": True,
        }
        pid = os.fork()
        if pid == 0:
            _live(function, arguments, folder, {name: str(value) for name, value in variables.items()})
        pids.append(pid)
    return Running(pids, folder, board)


def _live(function: Callable[..., Any], arguments: Any, folder: Path, variables: dict[str, str]) -> None:
    """The whole life of a child, which never returns into the test."""
    os.environ.update(variables)
    rank = variables["RANK"]
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(folder / f"{rank}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    try:
        value = function(*arguments)
    except BaseException:
        value = traceback.format_exc()
    (folder / f"{rank}.value").write_bytes(pickle.dumps(value))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
