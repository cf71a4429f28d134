"""The tensors of several networks of one architecture, stacked; each network's own are views of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from harness.trainer.universal import UniversalTrainer

ALIGNMENT = 64
"""Bytes: a tensor that torch allocates begins at a multiple of this. The product of a matrix that begins
elsewhere may be rounded in another way, and a member's scores would depend on its place in the group."""


@final
class FlatMembers:
    """Parameters and buffers of K attached trainings of one kind.

    From now on, the parameters and buffers of each member's network are views: what changes one changes the
    other. Each view begins at a multiple of `ALIGNMENT`, as a tensor of its own does. The parameters of each
    group of the optimizer lie in one matrix, a row for each member. Where their sizes leave gaps in a row,
    the optimizer has a matrix without gaps, into which `gather` copies the weights and `scatter` back.

    stacked   (K, *shape) by the name that the network gives it
    learned   the names of those that the optimizer changes, in the order of the rows
    rows      of each group of the optimizer, K rows (P,) without gaps

    Args:
        unused: names of parameters that get no gradient, and that no optimizer therefore changes.
    """

    def __init__(self, trainers: Sequence[UniversalTrainer], unused: frozenset[str] = frozenset()) -> None:
        self._trainers = list(trainers)
        self._networks = [trainer.network for trainer in trainers]
        self._names = {id(p): name for name, p in self._networks[0].named_parameters()}
        self.stacked: dict[str, Tensor] = {}
        self.learned: list[list[str]] = []
        self.rows: list[list[Tensor]] = []
        self._copies: list[tuple[Tensor, Tensor]] = []
        for number in range(len(trainers[0].optimizer.param_groups)):
            self._stack_group(number, unused)
        learned = {name for names in self.learned for name in names}
        for name, _ in self._networks[0].named_parameters():
            if name not in learned:
                self._stack(name, [dict(network.named_parameters())[name] for network in self._networks])
        for name, _ in self._networks[0].named_buffers():
            self._stack(name, [dict(network.named_buffers())[name] for network in self._networks])

    def gather(self) -> None:
        """Must be called before an optimizer step: gives the rows the values of the networks."""
        for row_part, tensors in self._copies:
            row_part.copy_(tensors)

    def scatter(self) -> None:
        """Must be called after an optimizer step: gives the networks the values of the rows."""
        for row_part, tensors in self._copies:
            tensors.copy_(row_part)

    def _stack_group(self, number: int, unused: frozenset[str]) -> None:
        group = self._trainers[0].optimizer.param_groups[number]["params"]
        kept = [place for place, p in enumerate(group) if self._names[id(p)] not in unused]
        own = [
            [trainer.optimizer.param_groups[number]["params"][place] for place in kept]
            for trainer in self._trainers
        ]
        names = [self._names[id(parameter)] for parameter in own[0]]
        columns, matrix = _side_by_side(own)
        self.stacked.update(zip(names, columns, strict=True))
        self.learned.append(names)
        count = sum(tensor[0].numel() for tensor in columns)
        if matrix.shape[1] != count:
            matrix = matrix.new_empty(len(own), count)
            self._copies += zip(split_like(own[0], matrix), columns, strict=True)
        self.rows.append(list(matrix.unbind(0)))

    def _stack(self, name: str, own: list[Tensor]) -> None:
        (self.stacked[name],), _ = _side_by_side([[tensor] for tensor in own])


def _side_by_side(own: Sequence[Sequence[Tensor]]) -> tuple[list[Tensor], Tensor]:
    """Moves the tensors of each member to a row of a new matrix.

    Returns them stacked, each (K, *shape), and the rows up to the end of the last tensor, (K, P) with gaps.
    """
    if not own[0]:
        return [], torch.empty(len(own), 0)
    dtype = own[0][0].dtype
    unit = ALIGNMENT // dtype.itemsize
    ends = [0]
    for tensor in own[0]:
        ends.append(_up_to(ends[-1], unit) + tensor.numel())
    matrix = own[0][0].new_zeros(len(own), _up_to(ends[-1], unit), requires_grad=False)
    stacked = []
    for place, same in enumerate(zip(*own, strict=True)):
        part = matrix[:, ends[place + 1] - same[0].numel() : ends[place + 1]]
        stacked.append(part.reshape(len(own), *same[0].shape))
        for tensor, view in zip(same, stacked[-1].unbind(0), strict=True):
            view.copy_(tensor.detach())
            tensor.data = view
    return stacked, matrix[:, : ends[-1]]


def _up_to(place: int, unit: int) -> int:
    """The next multiple of a unit."""
    return -(-place // unit) * unit


def release(network: nn.Module) -> None:
    """Gives a network tensors of its own again, so that the stacked ones can be freed."""
    for tensor in [*network.parameters(), *network.buffers()]:
        tensor.data = tensor.data.clone()


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """All values in one row (P,)."""
    if not tensors:
        return torch.empty(0)
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def split_like(tensors: Sequence[Tensor], matrix: Tensor) -> list[Tensor]:
    """The columns of a matrix (..., P) as views in the shapes (..., *shape) of the tensors."""
    sizes = [tensor.numel() for tensor in tensors]
    parts = torch.split(matrix, sizes, dim=-1)
    return [
        part.reshape(*part.shape[:-1], *tensor.shape) for part, tensor in zip(parts, tensors, strict=True)
    ]
