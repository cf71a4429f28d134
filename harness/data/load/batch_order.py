"""Order: in which batches a loader passes over the rows of a part, wherever the samples are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from harness.core.arrays import Arrays, Loader, Loaders
from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.data.load.sampler import Sampler
from harness.runtime.distributed import broadcast_rows, slice_of, weight_of
from harness.runtime.process_group import world


@dataclass(frozen=True)
class Order:
    """The passes over one part.

    Of a part that trains, each of several processes passes over its slice of every batch: all draw the
    order that the first one drew, so that together they see each row once.

    rows           (n,) int64 on the CPU, in the order of the fold; all of them in every process
    draw           gives the rows of an epoch; a part that trains draws a new order every time
    sizes          of the batches of an epoch
    weights        of the batches of an epoch, see `Batch`
    ordered_sizes  of the batches of a pass in the order of `rows`
    """

    rows: Tensor
    draw: Callable[[], Tensor]
    sizes: list[int]
    weights: list[float]
    ordered_sizes: list[int]


_SIZES = {
    "batch_size": "auto, or ",
    "eval_batch_size": "",
    "unlabelled_batch_size": "null, or ",
    "passes": "auto, or ",
}
"""Settings that are at least 1 -> what they may be instead."""


@dataclass(frozen=True)
class Batching:
    """The settings of batches that every loader has.

    batch_size             rows in a step, of `train`; "auto": not known yet, and no loader can be made
    eval_batch_size        rows at once where nothing is learned
    shuffle                whether the parts that train come in a new order every epoch, drawn from
                           the global CPU generator
    sampler                draws the rows of `train` instead; None: every row once
    unlabelled_batch_size  rows in a step, of `unlabelled`; None: as many as of `train`
    passes                 over `train` in an epoch; "auto", which is 1 where nothing else was chosen
    share_last             whether few rows left over are divided with the batch before, see `batch_sizes`
    """

    batch_size: int | Literal["auto"]
    eval_batch_size: int
    shuffle: bool
    sampler: Sampler | None
    unlabelled_batch_size: int | None = None
    passes: int | Literal["auto"] = 1
    share_last: bool = False

    def __post_init__(self) -> None:
        for name, other in _SIZES.items():
            value = getattr(self, name)
            if value not in (None, "auto") and value < 1:
                raise ValueError(f"{name} must be {other}1 or more, got {value}")
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
            train=part(repeated(self._training(torch.from_numpy(fold.train), arrays), self._passes)),
            valid=made(fold.valid, self._judging),
            test=made(fold.test, self._judging),
            unlabelled=made(fold.unlabelled, self._unlabelled),
            shape=arrays.shape,
            task=arrays.task,
            how=how,
            codes=arrays.codes,
        )

    @property
    def _step(self) -> int:
        """The rows of a step, which are known by now."""
        if self.batch_size == "auto":
            raise ValueError("batch_size must be a number where a loader is made, got auto")
        return self.batch_size

    @property
    def _passes(self) -> int:
        return 1 if self.passes == "auto" else self.passes

    def _judging(self, rows: Tensor) -> Order:
        sizes = batch_sizes(len(rows), self.eval_batch_size)
        return Order(rows, lambda: rows, sizes, [1.0] * len(sizes), sizes)

    def _unlabelled(self, rows: Tensor) -> Order:
        return self._shuffling(rows, self.unlabelled_batch_size or self._step)

    def _shuffling(self, rows: Tensor, batch_size: int) -> Order:
        def draw() -> Tensor:
            return rows[torch.randperm(len(rows))] if self.shuffle else rows

        return self._divided(rows, draw, batch_sizes(len(rows), batch_size, share_last=self.share_last))

    def _training(self, rows: Tensor, arrays: Arrays) -> Order:
        pairs = arrays.pairs
        if pairs is None:
            return self._drawing(rows, arrays)
        anchors = rows[(pairs[rows] >= 0).all(dim=1)]
        order = with_pairs(self._drawing(anchors, arrays), pairs)
        # What looks at the part without learning sees each of its rows once.
        return replace(order, rows=rows, ordered_sizes=batch_sizes(len(rows), self.eval_batch_size))

    def _drawing(self, rows: Tensor, arrays: Arrays) -> Order:
        sampler = self.sampler
        if sampler is None:
            return self._shuffling(rows, self._step)
        codes = torch.full(rows.shape, -1)
        if arrays.targets is not None and arrays.task.classification:
            codes = arrays.targets[rows]
        sizes = sampler.sizes(codes, self._step)
        if sizes is None:
            sizes = batch_sizes(sampler.length(codes), self._step, share_last=self.share_last)
        return self._divided(rows, lambda: rows[sampler.draw(codes)], sizes)

    def _divided(self, rows: Tensor, draw: Callable[[], Tensor], sizes: list[int]) -> Order:
        """The passes of this process, which takes its slice of every batch.

        Raises:
            UserError: a batch has fewer rows than there are processes.
        """
        ordered_sizes = batch_sizes(len(rows), self.eval_batch_size)
        if world() == 1:
            return Order(rows, draw, sizes, [1.0] * len(sizes), ordered_sizes)
        if min(sizes) < world():
            raise UserError(
                f"a batch is divided over the {world()} processes of torchrun, and one of {min(sizes)} rows "
                "cannot be",
                f"set data.load.batch_size={world()} or more, or start fewer processes",
                key="data.load.batch_size",
            )
        own = [slice_of(size) for size in sizes]
        starts = np.cumsum([0, *sizes[:-1]])
        places = torch.cat([torch.arange(s + o.start, s + o.stop) for s, o in zip(starts, own, strict=True)])
        weights = [weight_of(size) for size in sizes]
        return Order(
            rows,
            lambda: broadcast_rows(draw())[places],
            [o.stop - o.start for o in own],
            weights,
            ordered_sizes,
        )


def repeated(order: Order, passes: int) -> Order:
    """As many passes of `order` as one; no batch has rows of two passes.

    All of them are drawn at once, so that a training that resumes within an epoch draws the same.
    """
    if passes == 1:
        return order
    return replace(
        order,
        draw=lambda: torch.cat([order.draw() for _ in range(passes)]),
        sizes=order.sizes * passes,
        weights=order.weights * passes,
    )


def with_pairs(order: Order, pairs: Tensor) -> Order:
    """The passes of `order`, each batch of B rows followed by their first paired rows, then their second.

    Args:
        order: of rows that have all their paired rows.
        pairs: (N, P) int64, see `Arrays`.
    """
    together = torch.cat([torch.arange(len(pairs))[:, None], pairs], dim=1)

    def draw() -> Tensor:
        batches = torch.split(order.draw(), order.sizes)
        return torch.cat([together[batch].T.flatten() for batch in batches])

    return replace(order, draw=draw, sizes=[together.shape[1] * size for size in order.sizes])


def batch_sizes(count: int, batch_size: int, *, share_last: bool = False) -> list[int]:
    """The sizes of the batches of a pass: a single row left over joins the batch before it.

    Batch normalisation cannot train on one row, and no row should miss an epoch. So do a few rows that
    are fewer than the processes that share a batch.

    Args:
        share_last: whether other rows left over, if they are fewer than half a batch, are divided evenly with
            the batch before. Each batch moves the weights by one step, however few rows it has: with two
            rows at the end of each pass the RMSE of concrete was 8 % higher (docs/log.md).
    """
    sizes = [batch_size] * (count // batch_size)
    rest, least = count % batch_size, max(2, world())
    if share_last and sizes and 0 < 2 * rest < batch_size and batch_size + rest >= 2 * least:
        both = batch_size + rest
        sizes[-1:] = [both - both // 2, both // 2]
    elif sizes and rest < least:
        sizes[-1] += rest
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
