"""Measure: contenders take turns, so that a machine that slows down slows all of them down."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

Cost = TypeVar("Cost")
"""A number, or several by name."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Unable(Exception):
    """This machine lacks what a script measures; says what."""


class Spread(NamedTuple):
    """The median of some numbers and the quartiles around it."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """What some contenders cost on one piece of work, round by round.

    unit       of the costs, such as "µs per step"
    reference  the contender that the others are compared with
    aim        the ratio to it that ours should not exceed
    costs      contender -> its cost in each round; ours is the first
    notes      what the reader must know to judge the numbers
    """

    work: str
    unit: str
    reference: str
    aim: float
    costs: Mapping[str, Sequence[float]]
    notes: Sequence[str] = ()

    @property
    def ours(self) -> str:
        """The contender that the aim is for."""
        return next(iter(self.costs))

    def ratio(self, contender: str) -> Spread:
        """How many times the reference's cost, from pairs of the same round."""
        pairs = zip(self.costs[contender], self.costs[self.reference], strict=True)
        return spread([cost / reference for cost, reference in pairs])


def take_turns(contenders: Mapping[str, Callable[[], Cost]], rounds: int) -> dict[str, list[Cost]]:
    """The cost of every contender, which does its work once when it is called, in every round.

    Each round begins with another contender, so that nobody is always the one who finds the caches
    warm; a round before the first, which fills them, is not counted.
    """
    names = list(contenders)
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for number in range(rounds + 1):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            cost = contenders[name]()
            if number > 0:
                costs[name].append(cost)
    return costs


def spread(values: Sequence[float]) -> Spread:
    """Quartiles by linear interpolation; of a single value, that value three times."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    return Spread(*statistics.quantiles(values, n=4, method="inclusive"))


def answer(command: Sequence[str]) -> Any:
    """What a command prints last, a line of JSON; it runs in the repository's root, with one thread.

    Raises:
        RuntimeError: it failed; with what it had printed.
    """
    environment, root = {**os.environ, **ONE_THREAD}, Path(__file__).parents[1]
    process = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    if process.returncode != 0:
        status, printed = process.returncode, process.stdout + process.stderr
        raise RuntimeError(f"{' '.join(command)} ended with status {status}:\n{printed}")
    return json.loads(process.stdout.splitlines()[-1])


def seconds_on_a_terminal(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> float:
    """How long the command took, its output on a terminal of its own as when somebody types it.

    Raises:
        RuntimeError: it failed; with what it had printed.
    """
    ours, theirs = os.openpty()
    began = perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **ONE_THREAD, "COLUMNS": "100", **environment},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    printed = _read_to_the_end(ours)
    status = process.wait()
    seconds = perf_counter() - began
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}:\n{printed}")
    return seconds


def _read_to_the_end(terminal: int) -> str:
    """Until every process has closed the other end, which Linux tells by an input/output error."""
    pieces = []
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        while True:
            try:
                piece = screen.read(65536)
            except OSError:
                break
            if not piece:
                break
            pieces.append(piece)
    return b"".join(pieces).decode(errors="replace")
