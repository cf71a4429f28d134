"""The tensors of several networks of one architecture, stacked; each network's own are views of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from harness.trainer.universal import UniversalTrainer


@final
class FlatMembers:
    """Parameters and buffers of K attached trainings of one kind.

    The parameters of each group of the optimizer lie in one matrix (K, P), a row for each member. From then
    on, the parameters and buffers of each member's network are views: what changes one changes the other.

    stacked   (K, *shape) by the name that the network gives it
    learned   the names of those that the optimizer changes, in the order of the rows
    rows      of each group of the optimizer, K rows (P,)

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
        for number in range(len(trainers[0].optimizer.param_groups)):
            self._stack_group(number, unused)
        learned = {name for names in self.learned for name in names}
        for name, _ in self._networks[0].named_parameters():
            if name not in learned:
                self._stack(name, [dict(network.named_parameters())[name] for network in self._networks])
        for name, _ in self._networks[0].named_buffers():
            self._stack(name, [dict(network.named_buffers())[name] for network in self._networks])

    def _stack_group(self, number: int, unused: frozenset[str]) -> None:
        group = self._trainers[0].optimizer.param_groups[number]["params"]
        kept = [place for place, p in enumerate(group) if self._names[id(p)] not in unused]
        own = [
            [trainer.optimizer.param_groups[number]["params"][place] for place in kept]
            for trainer in self._trainers
        ]
        matrix = torch.stack([flat(parameters) for parameters in own])
        names = [self._names[id(parameter)] for parameter in own[0]]
        for place, (name, columns) in enumerate(zip(names, split_like(own[0], matrix), strict=True)):
            self.stacked[name] = columns
            for parameters, view in zip(own, columns.unbind(0), strict=True):
                parameters[place].data = view
        self.learned.append(names)
        self.rows.append(list(matrix.unbind(0)))

    def _stack(self, name: str, own: list[Tensor]) -> None:
        together = torch.stack([tensor.detach() for tensor in own])
        self.stacked[name] = together
        for tensor, view in zip(own, together.unbind(0), strict=True):
            tensor.data = view


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
