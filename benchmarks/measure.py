"""Measure: contenders take turns, so that a machine that slows down slows all of them down."""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

Contender = Callable[[], float]
"""Does its work once and says what it cost."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


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


def take_turns(contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[float]]:
    """The cost of every contender in every round.

    Each round begins with another contender, so that nobody is always the one who finds the caches
    warm; a round before the first, which fills them, is not counted.
    """
    names = list(contenders)
    costs: dict[str, list[float]] = {name: [] for name in names}
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
