"""How much memory a loss keeps for its gradient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def counted(own: Iterable[Tensor]) -> Iterator[dict[int, int]]:
    """Within it, the bytes of each storage that autograd keeps for a gradient are recorded.

    By the storage's address, so that one that is kept twice counts once; each is held until the end,
    so that no address occurs twice.

    Args:
        own: weights and buffers, which are there anyway and do not count.
    """
    known = {tensor.untyped_storage().data_ptr() for tensor in own}
    sizes: dict[int, int] = {}
    held: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            sizes[storage.data_ptr()] = storage.nbytes()
            held.append(tensor.detach())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield sizes
