"""Resident: the whole data set stays on the device, and a batch is a selection of its rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from harness.arrays import Arrays, Batch, Loader, Loaders
from harness.fold import Fold


class Resident:
    """Moves the tensors once; no worker processes and, while iterating, no wait for the device.

    Args:
        batch_size: rows in a step, of the parts that train: `train` and `unlabelled`.
        eval_batch_size: rows at once where nothing is learned.
        shuffle: whether the parts that train come in a new order every epoch, drawn from the
            global CPU generator.
    """

    def __init__(self, *, batch_size: int, eval_batch_size: int, shuffle: bool) -> None:
        for name, value in (("batch_size", batch_size), ("eval_batch_size", eval_batch_size)):
            if value < 1:
                raise ValueError(f"{name} must be 1 or more, got {value}")
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.shuffle = shuffle

    def __call__(self, arrays: Arrays, fold: Fold, device: torch.device) -> Loaders:
        # Tables come column by column, and a batch is gathered row by row: in that order, twice as fast.
        inputs = arrays.inputs.to(device).contiguous()
        targets = None if arrays.targets is None else arrays.targets.to(device)

        def part(rows: np.ndarray, trains: bool) -> Loader:
            batch_size = self.batch_size if trains else self.eval_batch_size
            sizes = (_sizes(len(rows), batch_size), _sizes(len(rows), self.eval_batch_size))
            return _Part(inputs, targets, torch.from_numpy(rows), sizes, trains and self.shuffle)

        return Loaders(
            train=part(fold.train, trains=True),
            valid=part(fold.valid, trains=False) if len(fold.valid) else None,
            test=part(fold.test, trains=False) if len(fold.test) else None,
            unlabelled=part(fold.unlabelled, trains=True) if len(fold.unlabelled) else None,
            shape=arrays.shape,
            task=arrays.task,
        )


class _Part:
    """A `Loader` of some rows of tensors that lie on one device.

    `sizes` are those of the batches of a pass, and of an ordered pass.
    """

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor | None,
        rows: Tensor,
        sizes: tuple[list[int], list[int]],
        shuffle: bool,
    ) -> None:
        self._inputs, self._targets = inputs, targets
        self._rows, self._resident_rows = rows, rows.to(inputs.device)
        self._sizes, self._ordered_sizes = sizes
        self._shuffle = shuffle

    def __iter__(self) -> Iterator[Batch]:
        return self._batches(self._shuffled() if self._shuffle else self._resident_rows, self._sizes)

    def __len__(self) -> int:
        return len(self._sizes)

    def ordered(self) -> Iterator[Batch]:
        """Every row once, in the order of `rows`, without a random number."""
        return self._batches(self._resident_rows, self._ordered_sizes)

    @property
    def rows(self) -> Tensor:
        """(n,) int64 on the CPU, in the order of the fold."""
        return self._rows

    @property
    def targets(self) -> Tensor | None:
        """(n,) targets of `rows`, on the device."""
        return None if self._targets is None else self._targets.index_select(0, self._resident_rows)

    def _batches(self, order: Tensor, sizes: list[int]) -> Iterator[Batch]:
        inputs = self._inputs
        if self._targets is None:
            for rows in torch.split(order, sizes):
                yield Batch(inputs.index_select(0, rows), None, rows)
            return
        # Targets are small: put in order once per pass, a batch of them is a view.
        targets = self._targets.index_select(0, order)
        for rows, labels in zip(torch.split(order, sizes), torch.split(targets, sizes), strict=True):
            yield Batch(inputs.index_select(0, rows), labels, rows)

    def _shuffled(self) -> Tensor:
        """(n,) the rows of one epoch on the device.

        The order is drawn on the CPU, so that it is the same on every device; it goes over from
        pinned memory, for which a graphics card does not make the program wait.
        """
        order = self._rows[torch.randperm(len(self._rows))]
        if self._resident_rows.is_cuda:
            return order.pin_memory().to(self._resident_rows.device, non_blocking=True)
        return order.to(self._resident_rows.device)


def _sizes(count: int, batch_size: int) -> list[int]:
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
