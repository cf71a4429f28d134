"""Order: in which batches a loader passes over the rows of a part, wherever the samples are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from harness.arrays import Arrays, Loader, Loaders
from harness.data.load.sampler import Sampler
from harness.fold import Fold


@dataclass(frozen=True)
class Order:
    """The passes over one part.

    rows           (n,) int64 on the CPU, in the order of the fold
    draw           gives the rows of one pass; a part that trains draws a new order every time
    sizes          of the batches of a pass
    ordered_sizes  of the batches of a pass in the order of `rows`
    """

    rows: Tensor
    draw: Callable[[], Tensor]
    sizes: list[int]
    ordered_sizes: list[int]


@dataclass(frozen=True)
class Batching:
    """What every loader is told of its batches.

    batch_size       rows in a step, of the parts that train: `train` and `unlabelled`
    eval_batch_size  rows at once where nothing is learned
    shuffle          whether the parts that train come in a new order every epoch, drawn from the
                     global CPU generator
    sampler          draws the rows of `train` instead; None: every row once
    """

    batch_size: int
    eval_batch_size: int
    shuffle: bool
    sampler: Sampler | None

    def __post_init__(self) -> None:
        for name, value in (("batch_size", self.batch_size), ("eval_batch_size", self.eval_batch_size)):
            if value < 1:
                raise ValueError(f"{name} must be 1 or more, got {value}")
        if self.sampler is not None and not self.shuffle:
            raise ValueError("shuffle must be true where there is a sampler, which draws the rows, got false")

    def loaders(self, arrays: Arrays, fold: Fold, part: Callable[[Order], Loader], how: str) -> Loaders:
        """The loaders of a fold, each made by `part` from its order.

        Raises:
            UserError: the sampler cannot sample these rows.
        """

        def made(rows: np.ndarray, order: Callable[[Tensor], Order]) -> Loader | None:
            return part(order(torch.from_numpy(rows))) if len(rows) else None

        return Loaders(
            train=part(self._training(torch.from_numpy(fold.train), arrays)),
            valid=made(fold.valid, self._judging),
            test=made(fold.test, self._judging),
            unlabelled=made(fold.unlabelled, self._shuffling),
            shape=arrays.shape,
            task=arrays.task,
            how=how,
        )

    def _judging(self, rows: Tensor) -> Order:
        sizes = batch_sizes(len(rows), self.eval_batch_size)
        return Order(rows, lambda: rows, sizes, sizes)

    def _shuffling(self, rows: Tensor) -> Order:
        def draw() -> Tensor:
            return rows[torch.randperm(len(rows))] if self.shuffle else rows

        return Order(rows, draw, batch_sizes(len(rows), self.batch_size), self._ordered_sizes(rows))

    def _training(self, rows: Tensor, arrays: Arrays) -> Order:
        sampler = self.sampler
        if sampler is None:
            return self._shuffling(rows)
        codes = torch.full(rows.shape, -1)
        if arrays.targets is not None and arrays.task.classification:
            codes = arrays.targets[rows]
        sizes = sampler.sizes(codes, self.batch_size)
        if sizes is None:
            sizes = batch_sizes(sampler.length(codes), self.batch_size)
        return Order(rows, lambda: rows[sampler.draw(codes)], sizes, self._ordered_sizes(rows))

    def _ordered_sizes(self, rows: Tensor) -> list[int]:
        return batch_sizes(len(rows), self.eval_batch_size)


def batch_sizes(count: int, batch_size: int) -> list[int]:
    """The sizes of the batches of a pass: a single row left over joins the batch before it.

    Batch normalisation cannot train on one row, and no row should miss an epoch.
    """
    sizes = [batch_size] * (count // batch_size)
    rest = count % batch_size
    if rest == 1 and sizes:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return sizes


def on_device(rows: Tensor, device: torch.device) -> Tensor:
    """Rows that were drawn on the CPU, so that they are the same on every device, on the device.

    They go over from pinned memory, for which a graphics card does not make the program wait.
    """
    if device.type == "cuda":
        return rows.pin_memory().to(device, non_blocking=True)
    return rows.to(device)
