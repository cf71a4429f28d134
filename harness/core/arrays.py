"""Arrays that a transform returns, and the batches and loaders that a trainer reads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from harness.core.task import Task


class Rows(Protocol):
    """Samples that are made on demand: decoded files, entries of a memory-mapped array.

    Must survive pickling, because worker processes read from it.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, *shape)."""
        ...

    def take(self, rows: np.ndarray) -> Tensor:
        """The samples at `rows`, (B,) int64 -> (B, *shape) float32 on the CPU."""
        ...


@dataclass(frozen=True)
class Arrays:
    """All rows of a table, row i of the table at position i, on the CPU.

    inputs   (N, *shape) float32: (N, C, H, W) images, (N, F) rows of features,
             (N, T, F) sequences; a tensor, or `Rows` where not all should be in memory at once
    targets  (N,) int64 class codes (-1: unlabelled), or (N,) float64 numbers in the target's
             own unit (NaN: unlabelled), (N, T) of several targets (float32 where they are labels), or
             None without a target column
    pairs    (N, P) int64, the P rows that the table pairs with each row, -1 for none; None: no pairs.
             A training batch then holds B rows that have them all, followed by their P * B paired
             rows: the first of each row, then the second
    codes    of the last features of rows (N, F), which are codes of categories, how many codes there are;
             (): no feature is a code. See `harness.core.code_columns`
    """

    inputs: Tensor | Rows
    targets: Tensor | None
    task: Task
    pairs: Tensor | None = None
    codes: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample: what a model is built for."""
        return tuple(self.inputs.shape[1:])

    @property
    def size(self) -> int:
        """The bytes of all samples as float32."""
        return math.prod(self.inputs.shape) * 4

    def take(self, rows: np.ndarray) -> Tensor:
        """The samples at `rows`, (B,) int64 -> (B, *shape) float32."""
        if isinstance(self.inputs, Tensor):
            return self.inputs[torch.from_numpy(rows)]
        return self.inputs.take(rows)


class Batch(NamedTuple):
    """Some rows on the device.

    inputs   (B, *shape) float32
    targets  (B,) as in `Arrays`, or None
    rows     (B,) int64, positions in the table
    weight   what a mean over these rows counts in the mean over all processes that share a batch; 1
             where their shares are equal, as in a single process
    """

    inputs: Tensor
    targets: Tensor | None
    rows: Tensor
    weight: float = 1.0


class ChosenRows:
    """Rows of a tensor that are copied later, together with those of other trainings (`taken`).

    table  (N, *shape)
    rows   (B,) int64
    """

    __slots__ = ("rows", "table")

    def __init__(self, table: Tensor, rows: Tensor) -> None:
        self.table, self.rows = table, rows

    @property
    def shape(self) -> tuple[int, ...]:
        """(B, *shape)."""
        return (len(self.rows), *self.table.shape[1:])

    @property
    def dtype(self) -> torch.dtype:
        return self.table.dtype


def taken(choices: Sequence[ChosenRows]) -> Tensor:
    """The rows of K choices of equal shape, (K, B, *shape)."""
    table, shape = choices[0].table, (len(choices), *choices[0].shape)
    if all(choice.table is table for choice in choices):
        return table.index_select(0, torch.cat([choice.rows for choice in choices])).view(shape)
    found = table.new_empty(shape)
    for own, choice in zip(found.unbind(0), choices, strict=True):
        torch.index_select(choice.table, 0, choice.rows, out=own)
    return found


class Loader(Protocol):
    """An iterable of batches: each iteration is one epoch and yields every row once, or as often as its
    settings say.

    One that trains may also have `after(batches: int) -> Iterator[Batch]`, a pass without its first
    batches: the order is drawn as for a whole pass, and the samples left out are not made. Without it,
    a training that is resumed within an epoch makes them again.
    """

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

    A part without rows is None. `shape` is that of one sample, and `codes` are those of `Arrays`. `how`
    describes for the screen where the samples are and how they are loaded.
    """

    train: Loader
    valid: Loader | None
    test: Loader | None
    unlabelled: Loader | None
    shape: tuple[int, ...]
    task: Task
    how: str = ""
    codes: tuple[int, ...] = ()
