"""Batch sources, and the epoch iterator, which can resume at any batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from harness.core.arrays import Batch, Loader

StepBatch = Batch | tuple[Batch, Batch]
"""The input of one step: a batch, or one batch of each loader."""


class BatchSource(NamedTuple):
    """One pass over `leading` is an epoch; each of its batches is paired with one of `beside`.

    Passes over `beside` continue across epochs, so that no row of it is left out when an epoch of the
    leading loader ends.
    """

    leading: Loader
    beside: Loader | None = None


@final
class EpochIterator:
    """Iterates over a batch source, epoch by epoch; a checkpoint can be taken at any batch.

    Iterating yields the rest of a begun epoch, or else a new one. `state_dict` holds the state of
    torch's CPU generator before it drew the order of a pass, see `harness.core.arrays.Loaders`, and the
    number of batches yielded since. A later process draws the same order and skips these batches.
    """

    def __init__(self, source: BatchSource) -> None:
        self._leading = _Pass(source.leading)
        self._beside = None if source.beside is None else _Pass(source.beside)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return len(self._leading.loader)

    def __iter__(self) -> Iterator[StepBatch]:
        leading, beside = self._leading, self._beside
        leading.begin()
        for batch in leading.batches:
            leading.given += 1
            yield batch if beside is None else (batch, beside.next_endless())

    @property
    def under_way(self) -> bool:
        """Whether an epoch has begun and not ended."""
        return self._leading.under_way

    def end(self) -> None:
        """Ends the epoch, also before its last batch."""
        self._leading.end()

    def step_size(self, accumulate: int) -> int:
        """How many batches share the optimizer step of the latest batch: fewer at an epoch's end."""
        first = (self._leading.given - 1) // accumulate * accumulate
        return min(accumulate, len(self) - first)

    def awaits_more(self, accumulate: int) -> bool:
        """Whether the optimizer step of the latest batch waits for another batch."""
        given = self._leading.given
        return given % accumulate != 0 and given != len(self)

    def state_dict(self) -> dict[str, Any]:
        beside = None if self._beside is None else self._beside.state_dict()
        return {"leading": self._leading.state_dict(), "beside": beside}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Draws the batch orders again; restore the random generators after this call, not before."""
        self._leading.load_state_dict(state["leading"])
        if self._beside is not None:
            self._beside.load_state_dict(state["beside"])


class _Pass:
    """A loader and the current pass over it."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self._generator: Tensor | None = None
        self.given = 0
        self.batches: Iterator[Batch] = iter(())

    @property
    def under_way(self) -> bool:
        return self._generator is not None

    def begin(self) -> None:
        """Draws a new pass, unless one is under way."""
        if not self.under_way:
            self._generator = torch.get_rng_state()
            self.given = 0
            self.batches = iter(self.loader)

    def end(self) -> None:
        self._generator = None

    def next_endless(self) -> Batch:
        """The next batch; after the last one, the first of a new pass."""
        self.begin()
        batch = next(self.batches, None)
        if batch is None:
            self.end()
            self.begin()
            batch = next(self.batches)
        self.given += 1
        return batch

    def state_dict(self) -> dict[str, Any] | None:
        return None if self._generator is None else {"origin": self._generator, "given": self.given}

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        self.end()
        if state is not None:
            torch.set_rng_state(state["origin"])
            self._generator, self.given = state["origin"], int(state["given"])
            self.batches = _after(self.loader, self.given)


def _after(loader: Loader, batches: int) -> Iterator[Batch]:
    """Returns a pass without its first batches; a loader that cannot skip them computes them again."""
    skipping: Callable[[int], Iterator[Batch]] | None = getattr(loader, "after", None)
    if skipping is not None:
        return skipping(batches)
    rest = iter(loader)
    for _ in range(batches):
        next(rest)
    return rest
