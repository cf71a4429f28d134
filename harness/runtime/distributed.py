"""Several processes that train one model together, as `torchrun` starts them.

They are distinguished by their rank; in a command without torchrun there is one, of rank 0, and every
function here gives at once what it was given. Words travel by gloo on the CPU, so that the accelerator is
not waited for; tensors on CUDA by NCCL.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from time import perf_counter
from typing import Any, Protocol, TypeVar, final

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

T = TypeVar("T")

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_BETWEEN = 0.25
"""Seconds between two agreements of all processes; one takes less than a thousandth of that."""


class Board(Protocol):
    """Notes by key that all processes can read and write: torch's `Store`."""

    def set(self, key: str, value: str) -> None: ...

    def get(self, key: str) -> bytes: ...

    def check(self, keys: list[str]) -> bool: ...

    def compare_set(self, key: str, expected: str, desired: str) -> bytes: ...

    def wait(self, keys: list[str], timeout: timedelta) -> None: ...


def rank() -> int:
    """Which process this is, 0 for the one that prints, logs and writes."""
    return dist.get_rank() if _several() else 0


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if _several() else 1


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()


def join() -> Board:
    """The processes of torchrun form a group; gives the board on which they leave notes."""
    if os.environ.get("MASTER_ADDR") in _LOOPBACK and os.path.isdir("/sys/class/net/lo"):
        # Or gloo would ask for the address of the host's name, which a container often cannot resolve.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    board, number, size = next(rendezvous("env://"))
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    dist.init_process_group(backend, store=board, rank=number, world_size=size)
    kept: Board = board
    return kept


def leave() -> None:
    """Takes the group apart, in a process that is done.

    One that failed leaves it standing: a peer may be within an exchange, and learns of this process's end
    when its connections close.
    """
    if _several():
        dist.destroy_process_group()


def share(value: T) -> T:
    """What rank 0 gives, in every process; any plain object."""
    if world() == 1:
        return value
    values: list[Any] = [value]
    dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
    shared: T = values[0]
    return shared


def share_order(rows: Tensor) -> Tensor:
    """Rank 0's rows in every process, an int64 tensor on the CPU of the same length in all."""
    if world() > 1:
        rows = rows.clone()
        dist.broadcast(rows, src=0)
    return rows


def highest(*numbers: float) -> list[float]:
    """The largest of what the processes give, number by number, in double precision."""
    if world() == 1:
        return list(numbers)
    shared = torch.tensor(numbers, dtype=torch.float64)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    found: list[float] = shared.tolist()
    return found


def agree(flag: bool) -> bool:
    """Whether any process says yes."""
    return bool(highest(float(flag))[0])


def alike(value: object) -> bool:
    """Whether every process gives the same as rank 0, any plain object; the answer is that of all."""
    return not agree(share(value) != value)


def slice_of(count: int) -> slice:
    """Which of `count` rows are this process's: contiguous shares that differ by one row at most."""
    number, size = rank(), world()
    return slice(count * number // size, count * (number + 1) // size)


def weight_of(count: int) -> float:
    """What a mean over this process's share of `count` rows counts in the mean over the processes.

    With it the mean over all processes is that over all rows: 1 where the shares are equal.
    """
    own = slice_of(count)
    rows: int = own.stop - own.start
    return rows * world() / count


@torch.no_grad()
def average(tensor: Tensor) -> Tensor:
    """The mean over the processes, without gradient, of a floating-point tensor of one shape in all."""
    if world() == 1:
        return tensor
    mean = tensor.detach().clone()
    dist.all_reduce(mean)
    return mean / world()


def gathered(tensor: Tensor) -> Tensor:
    """The rows of all processes, in the order of the ranks: (n, *shape) of each -> (sum of n, *shape).

    The gradient goes back to the process a row came from, summed over what every process makes of it: so
    the mean over the processes of a loss over all rows has the gradient of that loss in one process.
    n may differ from process to process.
    """
    if world() == 1:
        return tensor
    sizes = torch.zeros(world(), dtype=torch.int64)
    sizes[rank()] = len(tensor)
    dist.all_reduce(sizes)
    return _rows(tensor, sizes.tolist())


def stacked(tensor: Tensor) -> Tensor:
    """A tensor of one shape in all processes, put beside each other: -> (world, *shape), with gradient."""
    return _rows(tensor[None], [1] * world()) if world() > 1 else tensor[None]


def _rows(tensor: Tensor, sizes: list[int]) -> Tensor:
    rows: Tensor = _Gather.apply(tensor, sizes)  # type: ignore[no-untyped-call]
    return rows


@final
class _Gather(torch.autograd.Function):
    """The rows of all processes; backwards the sum over the processes of the gradients of one's own."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, sizes: list[int]) -> Tensor:
        ctx.sizes = sizes
        most = max(sizes)  # what is exchanged has one shape
        padded = tensor.new_zeros(most, *tensor.shape[1:])
        padded[: len(tensor)] = tensor
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        first = sum(ctx.sizes[: rank()])
        return total[first : first + ctx.sizes[rank()]], None


@final
class Agreed:
    """A question asked after every step, such as `shall I stop?`, answered alike in all processes.

    The processes exchange their answers every n steps, n being such that it happens about four times
    a second; in between the answer is no. In one process it is the question itself.

    Args:
        question: whether this process would say yes; one yes is that of all.
        lasting: whether a yes is for good.
    """

    def __init__(self, question: Callable[[], bool], *, lasting: bool = True) -> None:
        self._question = question
        self._lasting = lasting
        self._yes = False
        self._every, self._since, self._asked = 1, 0, perf_counter()

    def __call__(self) -> bool:
        if world() == 1:
            return self._question()
        if self._lasting and self._yes:
            return True
        self._since += 1
        return self._since >= self._every and self.now()

    def now(self) -> bool:
        """The same without waiting for the n-th step; to be called by all processes at once."""
        now = perf_counter()
        pace = (now - self._asked) / max(self._since, 1)
        yes, pace = highest(float(self._question()), pace)
        self._every = max(1, min(int(_BETWEEN / max(pace, 1e-6)), 10_000))
        self._since, self._asked = 0, perf_counter()
        self._yes = bool(yes)
        return self._yes
