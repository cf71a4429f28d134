"""Rank, number and plain values of the processes of `torchrun`, without torch in a process that trains alone.

A command without torchrun has one process, of rank 0; every function here then returns its input at once.
Objects are sent by gloo on the CPU, so that nothing waits for the accelerator.
"""

from __future__ import annotations

import sys
from typing import Any, TypeVar

T = TypeVar("T")


def several() -> bool:
    """Whether this process belongs to a group. Such a process has imported torch to join it."""
    dist: Any = sys.modules.get("torch.distributed")
    return dist is not None and bool(dist.is_available() and dist.is_initialized())


def rank() -> int:
    """Returns the number of this process; 0 is the one that prints, logs and writes."""
    if not several():
        return 0
    import torch.distributed as dist

    return dist.get_rank()


def world() -> int:
    """Returns the number of processes that train together."""
    if not several():
        return 1
    import torch.distributed as dist

    return dist.get_world_size()


def broadcast(value: T) -> T:
    """Returns rank 0's value in every process; any plain object."""
    if world() == 1:
        return value
    import torch
    import torch.distributed as dist

    values: list[Any] = [value]
    dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
    shared: T = values[0]
    return shared


def highest(*numbers: float) -> list[float]:
    """Returns the maximum over the processes of each number, in double precision."""
    if world() == 1:
        return list(numbers)
    import torch
    import torch.distributed as dist

    values = torch.tensor(numbers, dtype=torch.float64)
    dist.all_reduce(values, dist.ReduceOp.MAX)
    maxima: list[float] = values.tolist()
    return maxima


def any_process(flag: bool) -> bool:
    """Whether the flag is true in any process."""
    return bool(highest(float(flag))[0])


def same_in_all(value: object) -> bool:
    """Whether the value, any plain object, equals rank 0's in every process; all return the same answer."""
    return not any_process(broadcast(value) != value)
