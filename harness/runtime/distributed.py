"""Communication between the processes of `torchrun`, which train one model together.

A command without torchrun has one process, of rank 0; every function here then returns its input at once.
Tensors on CUDA are sent by NCCL; plain objects and numbers by `harness.runtime.process_group`.
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

from harness.core.errors import UserError
from harness.runtime.process_group import broadcast, highest, rank, several, world

T = TypeVar("T")

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_BETWEEN = 0.25
"""Seconds between two exchanges of a flag; one takes less than a thousandth of that."""


class Board(Protocol):
    """A key-value store that all processes can read and write: torch's `Store`."""

    def set(self, key: str, value: str) -> None: ...

    def get(self, key: str) -> bytes: ...

    def check(self, keys: list[str]) -> bool: ...

    def compare_set(self, key: str, expected: str, desired: str) -> bytes: ...

    def wait(self, keys: list[str], timeout: timedelta) -> None: ...


def join_group() -> Board:
    """Connects the processes of torchrun; returns their key-value store."""
    if os.environ.get("MASTER_ADDR") in _LOOPBACK and os.path.isdir("/sys/class/net/lo"):
        # Otherwise gloo looks up the address of the host's name, which a container often cannot resolve.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    board, number, size = next(rendezvous("env://"))
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    dist.init_process_group(backend, store=board, rank=number, world_size=size)
    store: Board = board
    return store


def leave_group() -> None:
    """Destroys the group; called by a process that has finished.

    A failed process does not call it: a peer may be waiting in an exchange, and notices the failure when the
    connections close.
    """
    if several():
        dist.destroy_process_group()


def from_rank_0(read: Callable[[], T]) -> T:
    """Returns or raises in every process what `read` does in rank 0, which alone has the run's folder.

    Raises:
        UserError: `read` raised it.
    """
    if world() == 1:
        return read()
    content: Any = None
    refusal: UserError | None = None
    if rank() == 0:
        try:
            content = read()
        except UserError as error:
            refusal = error
    content, refusal = broadcast((content, refusal))
    if refusal is not None:
        raise refusal
    result: T = content
    return result


def broadcast_rows(rows: Tensor) -> Tensor:
    """Returns rank 0's rows in every process: an int64 tensor on the CPU, of the same length in all."""
    if world() > 1:
        rows = rows.clone()
        dist.broadcast(rows, src=0)
    return rows


def slice_of(count: int) -> slice:
    """Returns which of `count` rows are this process's: contiguous shares whose sizes differ by at most
    one."""
    number, size = rank(), world()
    return slice(count * number // size, count * (number + 1) // size)


def weight_of(count: int) -> float:
    """Returns the weight of a mean over this process's share of `count` rows in the mean over the processes.

    With it the mean over all processes equals the mean over all rows; it is 1 if the shares are equal.
    """
    own = slice_of(count)
    rows: int = own.stop - own.start
    return rows * world() / count


@torch.no_grad()
def average(tensor: Tensor) -> Tensor:
    """Returns the mean over the processes, without gradient, of a float tensor with the same shape in all."""
    if world() == 1:
        return tensor
    mean = tensor.detach().clone()
    dist.all_reduce(mean)
    return mean / world()


def gathered(tensor: Tensor) -> Tensor:
    """Concatenates the rows of all processes in the order of ranks: (n, *shape) of each -> (sum of n,
    *shape).

    The gradient of a row is summed over all processes and returned to the process that the row came from. The
    mean over the processes of a loss over all rows therefore has the gradient of that loss in one process.
    n may differ between processes.
    """
    if world() == 1:
        return tensor
    sizes = torch.zeros(world(), dtype=torch.int64)
    sizes[rank()] = len(tensor)
    dist.all_reduce(sizes)
    return _rows(tensor, sizes.tolist())


def stacked(tensor: Tensor) -> Tensor:
    """Stacks a tensor with the same shape in all processes: -> (world, *shape), with gradient."""
    return _rows(tensor[None], [1] * world()) if world() > 1 else tensor[None]


def _rows(tensor: Tensor, sizes: list[int]) -> Tensor:
    rows: Tensor = _Gather.apply(tensor, sizes)  # type: ignore[no-untyped-call]
    return rows


@final
class _Gather(torch.autograd.Function):
    """Forward: the rows of all processes. Backward: the gradient of the own rows, summed over the
    processes."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, sizes: list[int]) -> Tensor:
        ctx.sizes = sizes
        most = max(sizes)  # all_gather needs the same shape in all processes
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
    """A flag that is checked after every step, such as `stop`, and has the same value in all processes.

    The processes exchange it every n steps, with n such that this happens about four times a second; in
    between it is false. With one process it is `question()` itself.

    Args:
        question: the flag of this process; if it is true in one process, it is true in all.
        lasting: whether it stays true.
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
        """Exchanges the flag now; all processes must call it at the same step."""
        now = perf_counter()
        pace = (now - self._asked) / max(self._since, 1)
        yes, pace = highest(float(self._question()), pace)
        self._every = max(1, min(int(_BETWEEN / max(pace, 1e-6)), 10_000))
        self._since, self._asked = 0, perf_counter()
        self._yes = bool(yes)
        return self._yes
