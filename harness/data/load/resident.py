"""Resident: the whole data set stays on the device, and a batch is a selection of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from harness.core.arrays import Arrays, Batch, ChosenRows, Loaders
from harness.core.double_precision import tensor_on_device
from harness.core.fold import Fold
from harness.data.load.batch_order import Batching, Order, on_device
from harness.data.load.free_memory import amount
from harness.data.load.sampler import Sampler

_BYTES_AT_ONCE = 2**26
"""What is decoded at once on the way to the device: a few thousand rows, or some hundred photographs."""


class Resident:
    """Moves the samples once; no worker processes and, while iterating, no wait for the device.

    Args:
        batch_size: labelled rows in a step; "auto" is replaced by a number before a loader is called.
        eval_batch_size: rows at once where nothing is learned.
        shuffle: whether the parts that train come in a new order every epoch, drawn from the
            global CPU generator.
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
        sampler: Sampler | None = None,
        unlabelled_batch_size: int | None = None,
        passes: int | Literal["auto"] = 1,  # no argument of runs of earlier versions
        share_last: bool = False,  # no argument of runs of earlier versions
    ) -> None:
        self.batching = Batching(
            batch_size, eval_batch_size, shuffle, sampler, unlabelled_batch_size, passes, share_last
        )

    def holds(self, size: int, device: torch.device) -> bool:
        """Always."""
        return True

    def __call__(self, arrays: Arrays, fold: Fold, device: torch.device) -> Loaders:
        inputs = _moved(arrays, device)
        targets = None if arrays.targets is None else tensor_on_device(arrays.targets, device)

        def part(order: Order) -> ResidentPart:
            return ResidentPart(inputs, targets, order)

        return self.batching.loaders(arrays, fold, part, f"resident on {device.type}, {amount(arrays.size)}")


class ResidentPart:
    """A `Loader` of some rows of tensors that lie on one device."""

    def __init__(self, inputs: Tensor, targets: Tensor | None, order: Order) -> None:
        self._inputs, self._targets, self._order = inputs, targets, order
        self._resident_rows = order.rows.to(inputs.device)
        self._copied_later = False

    def copied_later(self) -> ResidentPart:
        """An equal part, whose passes give `ChosenRows` as inputs; `ordered` gives copies as before."""
        part = copy(self)
        part._copied_later = True
        return part

    def __iter__(self) -> Iterator[Batch]:
        return self.after(0)

    def after(self, batches: int) -> Iterator[Batch]:
        """A pass without its first batches; its order is drawn as that of a whole one."""
        drawn = self._order.draw()
        same = drawn is self._order.rows
        rows = self._resident_rows if same else on_device(drawn, self._inputs.device)
        sizes, weights = self._order.sizes, self._order.weights
        rest = rows[sum(sizes[:batches]) :]
        return self._batches(rest, sizes[batches:], weights[batches:], self._copied_later)

    def __len__(self) -> int:
        return len(self._order.sizes)

    def ordered(self) -> Iterator[Batch]:
        """Every row once, in the order of `rows`, without a random number."""
        sizes = self._order.ordered_sizes
        return self._batches(self._resident_rows, sizes, [1.0] * len(sizes))

    @property
    def rows(self) -> Tensor:
        """(n,) int64 on the CPU, in the order of the fold."""
        return self._order.rows

    @property
    def targets(self) -> Tensor | None:
        """(n,) targets of `rows`, on the device."""
        return None if self._targets is None else self._targets.index_select(0, self._resident_rows)

    @property
    def bytes_held(self) -> int:
        """Of all samples of the data set, which the parts share."""
        return self._inputs.untyped_storage().nbytes()

    def _batches(
        self, order: Tensor, sizes: list[int], weights: list[float], copied_later: bool = False
    ) -> Iterator[Batch]:
        inputs = self._inputs
        take: Any = partial(ChosenRows, inputs) if copied_later else partial(inputs.index_select, 0)
        if self._targets is None:
            for rows, weight in zip(torch.split(order, sizes), weights, strict=True):
                yield Batch(take(rows), None, rows, weight)
            return
        # Targets are small: put in order once per pass, a batch of them is a view.
        targets = self._targets.index_select(0, order)
        parts = zip(torch.split(order, sizes), torch.split(targets, sizes), weights, strict=True)
        for rows, labels, weight in parts:
            yield Batch(take(rows), labels, rows, weight)


def _moved(arrays: Arrays, device: torch.device) -> Tensor:
    """(N, *shape) on the device; samples that are made on demand are made once, a few rows at a time."""
    if isinstance(arrays.inputs, Tensor):
        # Where samples come column by column, a batch gathered row by row is twice as fast in that order.
        return arrays.inputs.to(device).contiguous()
    count = arrays.inputs.shape[0]
    inputs = torch.empty(tuple(arrays.inputs.shape), device=device)
    step = max(1, _BYTES_AT_ONCE * count // max(1, arrays.size))
    for first in range(0, count, step):
        rows = np.arange(first, min(first + step, count))
        inputs[first : first + step] = arrays.take(rows)
    return inputs
