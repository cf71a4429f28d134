"""Stream: worker processes make samples ahead of the training that reads them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from harness.core.arrays import Arrays, Batch, Loaders
from harness.core.double_precision import tensor_on_device
from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.data.load.batch_order import Batching, Order, on_device
from harness.data.load.free_memory import amount
from harness.data.load.sampler import Sampler

_MOST_WORKERS = 16
"""More workers only wait for the disk or for the device."""


class Stream:
    """Batches by torch's DataLoader: memory stays flat, however large the data.

    The batches are those of `Resident` for the same seed, row by row. Workers that make the training
    batches live as long as the loader; for other passes they are started anew.

    Args:
        batch_size: labelled rows in a step; "auto" is replaced by a number before a loader is called.
        eval_batch_size: rows at once where nothing is learned.
        shuffle: whether the parts that train come in a new order every epoch, drawn from the
            global CPU generator.
        workers: processes per part; "auto": one per core, at most 16, and none where the samples
            lie in memory already. 0: the training process makes its own batches.
        prefetch: batches that each worker makes ahead.
        sampler: draws the rows of `train`, see `harness.data.load.sampler`; None: every row once.
        unlabelled_batch_size: unlabelled rows in a step, where a trainer learns from both; None: as
            many as labelled ones.
        passes: over the training rows in an epoch; "auto" is replaced by a number where it is not 1.
        share_last: whether fewer than half a batch of rows, left over at the end of a pass, are divided
            evenly with the batch before.
    """

    def __init__(
        self,
        *,
        batch_size: int | Literal["auto"],
        eval_batch_size: int,
        shuffle: bool,
        workers: int | Literal["auto"],
        prefetch: int,
        sampler: Sampler | None = None,
        unlabelled_batch_size: int | None = None,
        passes: int | Literal["auto"] = 1,  # no argument of runs of earlier versions
        share_last: bool = False,  # no argument of runs of earlier versions
    ) -> None:
        if workers != "auto" and workers < 0:
            raise ValueError(f"workers must be auto, or 0 or more, got {workers}")
        if prefetch < 1:
            raise ValueError(f"prefetch must be 1 or more, got {prefetch}")
        self.batching = Batching(
            batch_size, eval_batch_size, shuffle, sampler, unlabelled_batch_size, passes, share_last
        )
        self.workers, self.prefetch = workers, prefetch

    def holds(self, size: int, device: torch.device) -> bool:
        """Never."""
        return False

    def __call__(self, arrays: Arrays, fold: Fold, device: torch.device) -> Loaders:
        workers = self._workers(arrays)
        targets = None if arrays.targets is None else tensor_on_device(arrays.targets, device)

        def part(order: Order) -> _Part:
            return _Part(_Feed(arrays, workers, self.prefetch, device), targets, order)

        with_workers = f"{workers} worker{'s' * (workers != 1)}" if workers else "no workers"
        how = f"stream to {device.type}, {amount(arrays.size)}, {with_workers}"
        return self.batching.loaders(arrays, fold, part, how)

    def _workers(self, arrays: Arrays) -> int:
        if self.workers != "auto":
            return self.workers
        if isinstance(arrays.inputs, Tensor):
            return 0  # to select rows takes less time than to pass them between processes
        return min(_cores(), _MOST_WORKERS)


class _Part:
    """A `Loader` of some rows whose samples come from a feed; a training part makes one pass at a time."""

    def __init__(self, feed: _Feed, targets: Tensor | None, order: Order) -> None:
        self._feed, self._targets, self._order = feed, targets, order

    def __iter__(self) -> Iterator[Batch]:
        return self.after(0)

    def after(self, batches: int) -> Iterator[Batch]:
        """A pass without its first batches, which are not made; its order is drawn as that of a whole one."""
        drawn, sizes = self._order.draw(), self._order.sizes
        # A part that keeps its order is validated once an epoch: no workers wait for it in between.
        stay = drawn is not self._order.rows
        weights = self._order.weights[batches:]
        return self._batches(drawn[sum(sizes[:batches]) :], sizes[batches:], weights, stay)

    def __len__(self) -> int:
        return len(self._order.sizes)

    def ordered(self) -> Iterator[Batch]:
        """Every row once, in the order of `rows`, without a random number."""
        sizes = self._order.ordered_sizes
        return self._batches(self._order.rows, sizes, [1.0] * len(sizes), stay=False)

    @property
    def rows(self) -> Tensor:
        """(n,) int64 on the CPU, in the order of the fold."""
        return self._order.rows

    @property
    def targets(self) -> Tensor | None:
        """(n,) targets of `rows`, on the device."""
        rows = self._order.rows
        return None if self._targets is None else self._targets.index_select(0, rows.to(self._targets.device))

    def _batches(self, drawn: Tensor, sizes: list[int], weights: list[float], stay: bool) -> Iterator[Batch]:
        order = on_device(drawn, self._feed.device)
        targets = None if self._targets is None else torch.split(self._targets.index_select(0, order), sizes)
        inputs = self._feed(list(torch.split(drawn, sizes)), stay)
        for number, rows in enumerate(torch.split(order, sizes)):
            labels = None if targets is None else targets[number]
            yield Batch(next(inputs), labels, rows, weights[number])


class _Feed:
    """Makes the samples of a list of batches, in order, on the device."""

    def __init__(self, arrays: Arrays, workers: int, prefetch: int, device: torch.device) -> None:
        self.device = device
        self._samples, self._workers, self._prefetch = _Samples(arrays), workers, prefetch
        self._staying: tuple[_Plan, DataLoader[Any]] | None = None

    def __call__(self, batches: list[Tensor], stay: bool) -> Iterator[Tensor]:
        for samples in self._loader(batches, stay):
            if isinstance(samples, _Refusal):
                raise UserError(samples.sentence)
            yield samples.to(self.device, non_blocking=True)

    def _loader(self, batches: list[Tensor], stay: bool) -> DataLoader[Any]:
        if not stay:
            return self._made(_Plan(batches), min(self._workers, max(0, len(batches) - 1)), stay)
        if self._staying is None:
            plan = _Plan(batches)
            self._staying = plan, self._made(plan, self._workers, stay)
        plan, loader = self._staying
        plan.batches = batches
        return loader

    def _made(self, plan: _Plan, workers: int, stay: bool) -> DataLoader[Any]:
        return DataLoader(
            self._samples,
            batch_size=None,  # the plan's entries are whole batches
            sampler=plan,
            num_workers=workers,
            prefetch_factor=self._prefetch if workers else None,
            persistent_workers=stay and workers > 0,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # of its own: a pass draws nothing from the global one
        )


class _Plan:
    """The batches of the next pass, each a (B,) tensor of rows."""

    def __init__(self, batches: list[Tensor]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Samples(Dataset[Any]):
    """What a worker reads from."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays

    def __getitem__(self, rows: Tensor) -> Tensor | _Refusal:
        if get_worker_info() is None:
            return self._arrays.take(rows.numpy())
        try:
            samples = self._arrays.take(rows.numpy())
        except UserError as error:
            return _Refusal(str(error))
        # Moved at once rather than when the queue's thread gets to it, so that the next batch finds the same
        # memory free: a worker would otherwise hold the memory of a hundred batches.
        samples.share_memory_()  # type: ignore[no-untyped-call]
        return samples


class _Refusal:
    """Carries a `UserError` out of a worker process; torch would show it inside a traceback."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence


def _cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
