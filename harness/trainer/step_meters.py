"""Means over the steps of an epoch, gathered on the device and read once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        self._add(name, *self._counted(value, weight))

    def _counted(self, value: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor | int]:
        """What is added to the sum, and to its count; also of several trainings, (K,) each."""
        count: Tensor | int = 1
        if weight is not None:
            value, count = value * weight, weight
        if self._finite_only:
            finite = value.isfinite()
            value, count = torch.where(finite, value, 0.0), finite * count
        return value, count

    def _add(self, name: str, value: Tensor, count: Tensor | int) -> None:
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


@final
class JointMeters:
    """The meters of trainings of one kind whose steps are taken together: one addition for all of them.

    The sums of each are views of those of all; what a training adds, or reads, alone is as before.

    Args:
        meters: in the order of the values.
    """

    def __init__(self, meters: Sequence[Meters]) -> None:
        self._meters = meters
        self._alike = len({own._finite_only for own in meters}) == 1
        self._joint: dict[str, tuple[Tensor, tuple[Tensor, ...]]] = {}

    def add(self, name: str, values: Tensor, weights: Tensor | None = None) -> None:
        """As `Meters.add`, for each its own of the values and weights, (K,)."""
        if not self._alike:
            for place, meters in enumerate(self._meters):
                meters.add(name, values[place], None if weights is None else weights[place])
            return
        values, counts = self._meters[0]._counted(values.detach(), weights)
        every: Sequence[Tensor | int] = (
            [counts] * len(values) if isinstance(counts, int) else counts.unbind(0)
        )
        sums, views = self._joint.get(name, (values, ()))
        if views and all(m._sums.get(name) is view for m, view in zip(self._meters, views, strict=True)):
            sums += values
            for meters, count in zip(self._meters, every, strict=True):
                meters._counts[name] = meters._counts[name] + count
        elif any(name in meters._sums for meters in self._meters):
            for meters, value, count in zip(self._meters, values.unbind(0), every, strict=True):
                meters._add(name, value, count)
        else:
            sums = values.clone()
            self._joint[name] = sums, sums.unbind(0)
            for meters, view, count in zip(self._meters, self._joint[name][1], every, strict=True):
                meters._sums[name], meters._counts[name] = view, count
