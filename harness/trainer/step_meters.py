"""Means over the steps of an epoch, gathered on the device and read once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from harness.runtime.distributed import average


class MeterValue(NamedTuple):
    """The arguments of `Meters.add`."""

    name: str
    value: Tensor
    weight: Tensor | None


@final
class Meters:
    """Means over the steps of an epoch, without waiting for the device at any step.

    Args:
        device: where the numbers are.
        finite_only: whether a value that is not finite is left out of its mean, because the step that
            gave it was skipped.
    """

    def __init__(self, device: torch.device, finite_only: bool = False) -> None:
        self._device = device
        self._finite_only = finite_only
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, Tensor | int] = {}
        self._held: list[MeterValue] | None = None

    @contextmanager
    def held(self) -> Iterator[list[MeterValue]]:
        """Within this context, what would be added is listed instead, and the means stay as they are."""
        held: list[MeterValue] = []
        self._held = held
        try:
            yield held
        finally:
            self._held = None

    def add(self, name: str, value: Tensor, weight: Tensor | None = None) -> None:
        """A scalar of this step, by the full name under which its mean is reported (`train/…`).

        Args:
            weight: a scalar, how much the step counts, such as the number of rows that the value is a mean
                of; None: as much as any other.
        """
        value = value.detach()
        if self._held is not None:
            self._held.append(MeterValue(name, value, weight))
            return
        count: Tensor | int = 1
        if weight is not None:
            value, count = value * weight, weight
        if self._finite_only:
            finite = value.isfinite()
            value, count = torch.where(finite, value, 0.0), finite * count
        if name in self._sums:
            self._sums[name] += value
            self._counts[name] = self._counts[name] + count
        else:
            self._sums[name], self._counts[name] = value.clone(), count

    def means(self) -> dict[str, float]:
        """The means of all, in one transfer; NaN where no step gave a finite value, or one that counts."""
        if not self._sums:
            return {}
        sums = [value.float() for value in self._sums.values()]
        there = [count.float() for count in self._counts.values() if isinstance(count, Tensor)]
        totals = average(torch.stack(sums + there)).tolist()
        weighed = iter(totals[len(sums) :])
        # A count of steps is the same in every process, and known without asking the device.
        counts = [next(weighed) if isinstance(count, Tensor) else count for count in self._counts.values()]
        return {
            name: total / count if count else float("nan")
            for name, total, count in zip(self._sums, totals, counts, strict=False)
        }

    def clear(self) -> None:
        self._sums, self._counts = {}, {}

    def state_dict(self) -> dict[str, Any]:
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums = {name: value.to(self._device) for name, value in state["sums"].items()}
        self._counts = {
            name: count.to(self._device) if isinstance(count, Tensor) else count
            for name, count in state["counts"].items()
        }
