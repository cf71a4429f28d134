"""A loader of only the first batches of a part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import final

from torch import Tensor

from harness.core.arrays import Batch, Loader, Loaders


def each(loaders: Loaders, change: Callable[[Loader], Loader]) -> Loaders:
    """Returns the loaders with `change` applied to each part."""

    def changed(loader: Loader | None) -> Loader | None:
        return None if loader is None else change(loader)

    return replace(
        loaders,
        train=change(loaders.train),
        valid=changed(loaders.valid),
        test=changed(loaders.test),
        unlabelled=changed(loaders.unlabelled),
    )


@final
class Few:
    """The first batches of each pass over a part; its rows are those of its first ordered batches.

    Args:
        batches: how many; fewer where the part has fewer.
        whole: whether `ordered`, `rows` and `targets` are those of the whole part. Needed for training parts:
            methods that keep values per row must know every row that a pass may contain.
    """

    def __init__(self, loader: Loader, batches: int, *, whole: bool = False) -> None:
        self._loader, self._batches = loader, min(batches, len(loader))
        self._most = None if whole else batches
        self._count = len(loader.rows) if whole else sum(len(batch.rows) for batch in self.ordered())

    def __iter__(self) -> Iterator[Batch]:
        return islice(iter(self._loader), self._batches)

    def __len__(self) -> int:
        return self._batches

    def ordered(self) -> Iterator[Batch]:
        """The first batches in the order of `rows`."""
        return islice(self._loader.ordered(), self._most)

    @property
    def rows(self) -> Tensor:
        """(n,) int64, the rows of `ordered`."""
        return self._loader.rows[: self._count]

    @property
    def targets(self) -> Tensor | None:
        """(n,) targets of `rows`, on the device."""
        return None if self._loader.targets is None else self._loader.targets[: self._count]
