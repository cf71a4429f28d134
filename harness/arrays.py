"""Arrays, Batch, Loader, Loaders: what a transform makes and what a trainer eats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor

from harness.task import Task


@dataclass(frozen=True)
class Arrays:
    """All rows of a table as tensors on the CPU, row i of the table at position i.

    inputs   (N, *shape) float32: (N, C, H, W) images, (N, F) rows of features,
             (N, T, F) sequences
    targets  (N,) int64 class codes (-1: unlabelled), or (N,) float32 numbers in the target's
             own unit (NaN: unlabelled), or None without a target column
    """

    inputs: Tensor
    targets: Tensor | None
    task: Task

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample: what a model is built for."""
        return tuple(self.inputs.shape[1:])


class Batch(NamedTuple):
    """Some rows on the device.

    inputs   (B, *shape) float32
    targets  (B,) as in `Arrays`, or None
    rows     (B,) int64, positions in the table
    """

    inputs: Tensor
    targets: Tensor | None
    rows: Tensor


class Loader(Protocol):
    """An iterable of batches: each pass is one epoch and yields every row once."""

    def __iter__(self) -> Iterator[Batch]: ...

    def __len__(self) -> int:
        """How many batches a pass yields."""
        ...

    def ordered(self) -> Iterator[Batch]:
        """Every row once, in the order of `rows`, in batches as large as evaluation allows.

        Draws no random number, so that looking at the data leaves a training as it was.
        """
        ...

    @property
    def rows(self) -> Tensor:
        """(n,) int64, the table rows of this part, in order."""
        ...

    @property
    def targets(self) -> Tensor | None:
        """(n,) targets of `rows`, on the device."""
        ...


@dataclass(frozen=True)
class Loaders:
    """One loader per part.

    Passes over `train` and `unlabelled`, which are learned from, are shuffled by the global torch
    generator; `valid` and `test` keep their order.

    A part without rows is None. `shape` is that of one sample.
    """

    train: Loader
    valid: Loader | None
    test: Loader | None
    unlabelled: Loader | None
    shape: tuple[int, ...]
    task: Task
