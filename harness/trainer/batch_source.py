"""Batch sources, and the epoch iterator, which goes on at any batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from harness.core.arrays import Batch, Loader

StepBatch = Batch | tuple[Batch, Batch]
"""What one step takes: a batch, or one of each loader."""


class BatchSource(NamedTuple):
    """One pass over `leading` is an epoch; of `beside`, a batch comes along with each of its batches.

    Passes over `beside` follow one another, whatever the epoch: none of its rows is left out because
    an epoch of the leading loader ended.
    """

    leading: Loader
    beside: Loader | None = None


@final
class EpochIterator:
    """The way through a feed, epoch by epoch, from any batch on.

    Iterating gives the rest of the epoch that is under way, or a new one. `state_dict` tells where
    the way stands by torch's CPU generator as it drew the order of a pass, see `harness.core.arrays.Loaders`,
    and the number of batches given since, so that a later process draws the same order and goes on behind
    them.
    """

    def __init__(self, feed: BatchSource) -> None:
        self._leading = _Pass(feed.leading)
        self._beside = None if feed.beside is None else _Pass(feed.beside)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return len(self._leading.loader)

    def __iter__(self) -> Iterator[StepBatch]:
        leading, beside = self._leading, self._beside
        leading.begin()
        for batch in leading.batches:
            leading.given += 1
            yield batch if beside is None else (batch, beside.next_for_ever())

    @property
    def under_way(self) -> bool:
        """Whether an epoch has begun and not been ended."""
        return self._leading.under_way

    def end(self) -> None:
        """The epoch is over, whether all of it was passed or not."""
        self._leading.end()

    def together(self, accumulate: int) -> int:
        """How many batches share the optimizer step of the one just given: fewer at an epoch's end."""
        first = (self._leading.given - 1) // accumulate * accumulate
        return min(accumulate, len(self) - first)

    def amid(self, accumulate: int) -> bool:
        """Whether the optimizer step of the batch just given waits for another."""
        given = self._leading.given
        return given % accumulate != 0 and given != len(self)

    def state_dict(self) -> dict[str, Any]:
        beside = None if self._beside is None else self._beside.state_dict()
        return {"leading": self._leading.state_dict(), "beside": beside}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Draws the orders anew; the random generators are to be set afterwards."""
        self._leading.load_state_dict(state["leading"])
        if self._beside is not None:
            self._beside.load_state_dict(state["beside"])


class _Pass:
    """A loader with the pass that is under way over it."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self._origin: Tensor | None = None
        self.given = 0
        self.batches: Iterator[Batch] = iter(())

    @property
    def under_way(self) -> bool:
        return self._origin is not None

    def begin(self) -> None:
        """Draws a new pass, unless one is under way."""
        if not self.under_way:
            self._origin = torch.get_rng_state()
            self.given = 0
            self.batches = iter(self.loader)

    def end(self) -> None:
        self._origin = None

    def next_for_ever(self) -> Batch:
        """The next batch, of the next pass where this one is over."""
        self.begin()
        batch = next(self.batches, None)
        if batch is None:
            self.end()
            self.begin()
            batch = next(self.batches)
        self.given += 1
        return batch

    def state_dict(self) -> dict[str, Any] | None:
        return None if self._origin is None else {"origin": self._origin, "given": self.given}

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        self.end()
        if state is not None:
            torch.set_rng_state(state["origin"])
            self._origin, self.given = state["origin"], int(state["given"])
            self.batches = _after(self.loader, self.given)


def _after(loader: Loader, batches: int) -> Iterator[Batch]:
    """A pass without its first batches; a loader that cannot leave them out makes them once more."""
    skipping: Callable[[int], Iterator[Batch]] | None = getattr(loader, "after", None)
    if skipping is not None:
        return skipping(batches)
    rest = iter(loader)
    for _ in range(batches):
        next(rest)
    return rest
