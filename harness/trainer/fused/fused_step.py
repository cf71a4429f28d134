"""Loss and gradients of several members at once, without mixing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from harness.trainer.device import under_autocast
from harness.trainer.fused.flat_members import FlatMembers
from harness.trainer.fused.member_functions import Dropout, DropoutRecorder, MemberFunctions, draw_masks
from harness.trainer.saved_tensors import counted
from harness.trainer.supervised import Labelled, SupervisedTrainer


class _Loss(nn.Module):
    """The loss of a batch as the forward pass of everything that learns."""

    def __init__(self, trainer: SupervisedTrainer) -> None:
        super().__init__()
        self.network = trainer.network
        self._loss = under_autocast(trainer.loss, trainer.device, trainer.autocast)

    def forward(self, data: Tensor, labels: Tensor) -> Tensor:
        return self._loss(Labelled(data, labels))


@final
class FusedStep:
    """Losses and gradients of consecutive members.

    Each member's loss is that of its own trainer, with its own parameters, buffers and masks of dropout. The
    losses are summed, so that one backward pass gives all gradients; nothing else combines members.

    Args:
        trainer: of one of the members, whose network is the code of all.
        members: the stacked tensors.
        dropout: of each member.
    """

    def __init__(
        self, trainer: SupervisedTrainer, members: FlatMembers, dropout: Sequence[DropoutUses]
    ) -> None:
        self._loss = _Loss(trainer)
        self._dropout = dropout
        self._members = members
        self._learned = [name for names in members.learned for name in names]
        self._buffers = {name for name, _ in trainer.network.named_buffers()}
        self._sizes = [len(names) for names in members.learned]
        self._all = vmap(self._of_member, randomness="error")

    def draw(
        self, first: int, data: Tensor, labels: Tensor, generators: Sequence[torch.Generator]
    ) -> list[Tensor]:
        """The masks of dropout (K, *shape) of a step of K members from number `first` on, in order of use.

        Args:
            data, labels: as for the step.
            generators: of these members.
        """
        like = data[0], labels[0]
        uses = [own.of(*like) for own in self._dropout[first : first + len(data)]]
        return draw_masks(uses, generators)

    def __call__(
        self, first: int, data: Tensor, labels: Tensor, masks: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """The losses (K,) of K members from number `first` on, and the gradients (K, P) of each group.

        If it raises, for too little memory, nothing is changed.

        Args:
            data: (K, B, *shape).
            labels: (K, B) or (K, B, T).
            masks: that were drawn for this step.
        """
        rows = slice(first, first + len(data))
        tensors = {name: tensor[rows] for name, tensor in self._members.stacked.items()}
        for name in self._learned:
            tensors[name] = tensors[name].detach().requires_grad_()
        before = {name: tensors[name].clone() for name in self._buffers}
        try:
            losses = self._losses(tensors, data, labels, masks)
            gradients = torch.autograd.grad(losses.sum(), [tensors[name] for name in self._learned])
            columns = [one.flatten(1) if one.ndim > 1 else one[:, None] for one in gradients]
            groups = []
            for size in self._sizes:
                empty = losses.new_empty(len(data), 0)
                groups.append(torch.cat(columns[:size], dim=1) if size else empty)
                columns = columns[size:]
        except Exception:
            for name, values in before.items():
                tensors[name].copy_(values)
            raise
        return losses.detach(), groups

    def _losses(
        self, tensors: dict[str, Tensor], data: Tensor, labels: Tensor, masks: list[Tensor]
    ) -> Tensor:
        """The losses (K,).

        A single member is computed twice: for one matrix torch may choose another kernel than for several,
        with other roundings. The second loss is left out, so that its gradient is zero.
        """
        if len(data) > 1:
            return self._all(tensors, data, labels, masks)
        doubled = {name: torch.cat([tensor, tensor]) for name, tensor in tensors.items()}
        inputs, targets = (torch.cat([one, one]) for one in (data, labels))
        losses = self._all(doubled, inputs, targets, [torch.cat([mask, mask]) for mask in masks])
        for name, tensor in tensors.items():
            if name in self._buffers:
                tensor.copy_(doubled[name][:1])
        return losses[:1]

    def _of_member(self, tensors: dict[str, Tensor], data: Tensor, labels: Tensor, masks: Any) -> Tensor:
        with MemberFunctions(masks):
            return _called(self._loss, tensors, data, labels)


@final
class DropoutUses:
    """The uses of dropout in the forward pass of one member, which may have shares of its own."""

    def __init__(self, trainer: SupervisedTrainer) -> None:
        self._loss = _Loss(trainer)
        self._network = trainer.network
        self._used: dict[tuple[torch.Size, bool], list[Dropout]] = {}

    def of(self, data: Tensor, labels: Tensor) -> list[Dropout]:
        """Those of a batch (B, *shape) with such labels; nothing is changed."""
        network = self._network
        key = data.shape, network.training
        if key not in self._used:
            own = [*network.named_parameters(), *network.named_buffers()]
            with DropoutRecorder() as recorder, torch.no_grad():
                _called(self._loss, {name: tensor.clone() for name, tensor in own}, data, labels)
            self._used[key] = recorder.used
        return self._used[key]


def _called(loss: _Loss, tensors: dict[str, Tensor], data: Tensor, labels: Tensor) -> Tensor:
    named = {f"network.{name}": tensor for name, tensor in tensors.items()}
    value: Tensor = functional_call(loss, named, (data, labels))
    return value


class Traced(NamedTuple):
    """What a forward pass shows.

    unused  the names of the network's parameters that get no gradient
    saved   bytes that the loss keeps for its gradient, beside weights and buffers
    """

    unused: frozenset[str]
    saved: int


def traced(trainer: SupervisedTrainer, data: Tensor, labels: Tensor) -> Traced:
    """Looks at the forward pass of a batch; nothing is changed."""
    own = {**dict(trainer.network.named_parameters()), **dict(trainer.network.named_buffers())}
    copies = {
        name: tensor.detach().clone().requires_grad_(tensor.requires_grad) for name, tensor in own.items()
    }
    learned = {name: tensor for name, tensor in copies.items() if tensor.requires_grad}
    with DropoutRecorder(), counted(copies.values()) as sizes:
        loss = functional_call(
            _Loss(trainer), {f"network.{name}": tensor for name, tensor in copies.items()}, (data, labels)
        )
    gradients = torch.autograd.grad(loss, list(learned.values()), allow_unused=True)
    unused = [name for name, gradient in zip(learned, gradients, strict=True) if gradient is None]
    return Traced(frozenset(unused), sum(sizes.values()))
