"""Retries requests to a server, with growing waits."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

LONGEST_PAUSE = 60.0
"""The longest wait in seconds between two tries, even if the server requests more."""

_dice = random.SystemRandom()  # the seeded generators belong to the experiment


class Unreached(Exception):
    """A server did not answer; a retry may help. `pause` is the wait in seconds that it requested, if any."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True)
class Retry:
    """How often to try again, and how long to wait before.

    retries  tries after the first one
    backoff  seconds before the second try, doubled for each further one; each wait is shortened randomly by
             up to a half, so that many clients do not retry at the same moment
    """

    retries: int
    backoff: float

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise ValueError(f"retries must be 0 or more, got {self.retries}")
        if not 0 <= self.backoff <= LONGEST_PAUSE:
            raise ValueError(f"backoff must be between 0 and {LONGEST_PAUSE:g} seconds, got {self.backoff}")

    @property
    def tries(self) -> str:
        """The number of tries as text: `1 try`, `4 tries`."""
        return f"{self.retries + 1} {'tries' if self.retries else 'try'}"

    def __call__(self, attempt: Callable[[], T]) -> T:
        """The result of `attempt`.

        Raises:
            Unreached: the last try failed.
        """
        for number in range(self.retries):
            try:
                return attempt()
            except Unreached as fault:
                pause(self._wait(number, fault.pause))
        return attempt()

    def _wait(self, number: int, asked: float | None) -> float:
        if asked is not None:
            return min(asked, LONGEST_PAUSE)
        # The exponent is bounded, because 2.0 ** 1024 overflows.
        return min(self.backoff * 2.0 ** min(number, 32), LONGEST_PAUSE) * _dice.uniform(0.5, 1.0)


def pause(seconds: float) -> None:
    time.sleep(seconds)
