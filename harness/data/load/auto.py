"""Auto: resident where the samples fit in the device's memory, else a stream."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch

from harness.core.arrays import Arrays, Loaders
from harness.core.fold import Fold
from harness.data.load.free_memory import amount, free
from harness.data.load.resident import Resident
from harness.data.load.sampler import Sampler
from harness.data.load.stream import Stream

_FORMS = {1: "rows", 2: "sequences", 3: "images"}


class Auto:
    """`Resident` where all samples take at most a share of the free memory, else `Stream`.

    Both give the same batches for the same seed, so that the choice changes the speed alone. Samples
    that lie in the CPU's memory already stay there when the CPU is the device.

    Args:
        share: the part of the device's free memory that the samples may take, in (0, 1].
        batch_size, eval_batch_size, shuffle, sampler, unlabelled_batch_size, passes, share_last: as in
            both.
        workers, prefetch: of the stream.
    """

    def __init__(
        self,
        *,
        batch_size: int | Literal["auto"],
        eval_batch_size: int,
        shuffle: bool,
        share: float,
        workers: int | Literal["auto"],
        prefetch: int,
        sampler: Sampler | None = None,
        unlabelled_batch_size: int | None = None,
        passes: int | Literal["auto"] = 1,  # no argument of runs of earlier versions
        share_last: bool = False,  # no argument of runs of earlier versions
    ) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, got {share}")
        self.share = share
        self.resident = Resident(
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            shuffle=shuffle,
            sampler=sampler,
            unlabelled_batch_size=unlabelled_batch_size,
            passes=passes,
            share_last=share_last,
        )
        self.stream = Stream(
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            shuffle=shuffle,
            workers=workers,
            prefetch=prefetch,
            sampler=sampler,
            unlabelled_batch_size=unlabelled_batch_size,
            passes=passes,
            share_last=share_last,
        )

    def holds(self, size: int, device: torch.device) -> bool:
        """Whether `size` bytes are at most the share of what is free now."""
        return size <= self.share * free(device)

    def __call__(self, arrays: Arrays, fold: Fold, device: torch.device) -> Loaders:
        in_place = isinstance(arrays.inputs, torch.Tensor) and arrays.inputs.device == device
        left = free(device)  # read once, so that the choice and its description agree
        if in_place or arrays.size <= self.share * left:
            return self.resident(arrays, fold, device)
        loaders = self.stream(arrays, fold, device)
        form = _FORMS.get(len(arrays.shape), "samples")
        reason = (
            f"stream: {amount(arrays.size)} of {form}, more than {self.share:.0%} of the {amount(left)} "
            f"free on {device.type}"
        )
        return replace(loaders, how=reason)
