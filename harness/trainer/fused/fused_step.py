"""Loss and gradients of several members at once, without mixing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from harness.runtime.out_of_memory import is_out_of_memory
from harness.trainer.device import under_autocast
from harness.trainer.fused.flat_members import FlatMembers
from harness.trainer.fused.member_functions import Dropout, DropoutRecorder, MemberFunctions, draw_masks
from harness.trainer.fused.member_tensor import MemberTensor, dropping, values_of
from harness.trainer.fused.step_parts import form_of, stacked, whole, with_tensors
from harness.trainer.fused.tensor_slots import TensorSlots
from harness.trainer.saved_tensors import counted
from harness.trainer.step_meters import MeterValue
from harness.trainer.universal import UniversalTrainer


class Computed(NamedTuple):
    """What a step of K members computes.

    losses     (K,)
    gradients  (K, P) of each group of parameters
    noted      what the losses add to the meters: values (K,) and weights (K,), by name
    """

    losses: Tensor
    gradients: list[Tensor]
    noted: list[MeterValue]


class _Loss(nn.Module):
    """The loss of a step as the forward pass of everything that learns, and what it adds to the meters."""

    def __init__(self, trainer: UniversalTrainer) -> None:
        super().__init__()
        self.network = trainer.network
        self._meters = trainer.meters
        self._loss = under_autocast(trainer.loss_of_member, trainer.device, trainer.autocast)

    def forward(self, parts: Any) -> tuple[Tensor, list[MeterValue]]:
        with self._meters.held() as noted:
            return self._loss(parts), noted


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
        self, trainer: UniversalTrainer, members: FlatMembers, dropout: Sequence[DropoutUses]
    ) -> None:
        self._loss = _Loss(trainer)
        self._dropout = dropout
        self._members = members
        self._learned = [name for names in members.learned for name in names]
        self._buffers = {name for name, _ in trainer.network.named_buffers()}
        self._sizes = [len(names) for names in members.learned]
        self._names: list[tuple[str, bool]] = []
        self._all = vmap(self._of_member, randomness="error")
        self._slots = TensorSlots(trainer.network)
        self._suitable = trainer.autocast is None

    def draw(self, first: int, like: Any, generators: Sequence[torch.Generator]) -> list[Tensor]:
        """The masks of dropout (K, *shape) of a step of K members from number `first` on, in order of use.

        Args:
            like: the parts of one of them.
            generators: of these members.
        """
        form = form_of(like)
        if not self._dropout[first].of(like, form):
            return []  # so do the others: their networks are of one kind, and only the shares differ
        uses = [own.of(like, form) for own in self._dropout[first : first + len(generators)]]
        return draw_masks(uses, generators)

    def __call__(self, first: int, parts: Sequence[Any], masks: list[Tensor]) -> Computed:
        """Losses and gradients of consecutive members from number `first` on.

        If it raises, for too little memory, nothing is changed.

        Args:
            parts: of each member what its trainer's `unpack` gave, all of one form (`form_of`).
            masks: that were drawn for this step.
        """
        rows = slice(first, first + len(parts))
        tensors = {name: tensor[rows] for name, tensor in self._members.stacked.items()}
        for name in self._learned:
            tensors[name] = tensors[name].detach().requires_grad_()
        before = {name: tensors[name].clone() for name in self._buffers}
        try:
            return self._computed(tensors, parts, masks)
        except Exception as error:
            for name, values in before.items():
                tensors[name].copy_(values)
            if not self._suitable or is_out_of_memory(error):
                raise
        self._suitable = False  # whatever a network cannot do with member tensors, `vmap` may be able to
        return self(first, parts, masks)

    def _computed(self, tensors: dict[str, Tensor], parts: Sequence[Any], masks: list[Tensor]) -> Computed:
        losses, noted = self._losses(tensors, parts, masks)
        gradients = torch.autograd.grad(losses.sum(), [tensors[name] for name in self._learned])
        groups = []
        for size in self._sizes:
            groups.append(rows_of(gradients[:size]) if size else losses.new_empty(len(parts), 0))
            gradients = gradients[size:]
        return Computed(losses.detach(), groups, noted)

    def _losses(
        self, tensors: dict[str, Tensor], parts: Sequence[Any], masks: list[Tensor]
    ) -> tuple[Tensor, list[MeterValue]]:
        """The losses (K,), and what they add to the meters.

        A single member is computed twice: for one matrix torch may choose another kernel than for several,
        with other roundings. The second loss is left out, so that its gradient is zero.
        """
        losses_of = self._by_member_tensors if self._suitable else self._all
        if len(parts) > 1:
            losses, noted = losses_of(tensors, stacked(parts), masks, like=parts[0])
            return losses, self._named(noted)
        doubled = {name: torch.cat([tensor, tensor]) for name, tensor in tensors.items()}
        twice = [torch.cat([mask, mask]) for mask in masks]
        losses, noted = losses_of(doubled, stacked([*parts, *parts]), twice, like=parts[0])
        for name, tensor in tensors.items():
            if name in self._buffers:
                tensor.copy_(doubled[name][:1])
        return losses[:1], self._named([values[:1] for values in noted])

    def _by_member_tensors(
        self, tensors: dict[str, Tensor], values: list[Tensor], masks: list[Tensor], *, like: Any
    ) -> tuple[Tensor, list[Tensor]]:
        """As `_of_member`, of all members."""
        own = {name: MemberTensor(tensor) for name, tensor in tensors.items()}
        with self._slots.filled(own), dropping(masks):
            loss, noted = self._loss(with_tensors(like, [MemberTensor(part) for part in values]))
        self._names = [(name, weight is not None) for name, _, weight in noted]
        numbers = [values_of(number) for _, *pair in noted for number in pair if number is not None]
        return values_of(loss), numbers

    def _of_member(
        self, tensors: dict[str, Tensor], values: list[Tensor], masks: list[Tensor], *, like: Any
    ) -> tuple[Tensor, list[Tensor]]:
        """The loss of one member, and the numbers that it adds to the meters.

        Args:
            values: the tensors of its parts.
            like: parts of the same form.
        """
        with MemberFunctions(masks):
            loss, noted = _called(self._loss, tensors, with_tensors(like, values))
        self._names = [(name, weight is not None) for name, _, weight in noted]
        return loss, [number for _, *pair in noted for number in pair if number is not None]

    def _named(self, numbers: list[Tensor]) -> list[MeterValue]:
        """The numbers of `_of_member` by name."""
        left = iter(numbers)
        return [
            MeterValue(name, next(left), next(left) if weighed else None) for name, weighed in self._names
        ]


def rows_of(gradients: Sequence[Tensor]) -> Tensor:
    """Gradients (K, *shape) of a group of parameters as rows (K, P); each is copied once."""
    count = len(gradients[0])
    sizes = [gradient.numel() // count for gradient in gradients]
    rows = gradients[0].new_empty(count, sum(sizes))
    for part, gradient in zip(torch.split(rows, sizes, dim=1), gradients, strict=True):
        part.view(gradient.shape).copy_(gradient)
    return rows


@final
class DropoutUses:
    """The uses of dropout in the forward pass of one member, which may have shares of its own."""

    def __init__(self, trainer: UniversalTrainer) -> None:
        self._loss = _Loss(trainer)
        self._network = trainer.network
        self._used: dict[tuple[Any, ...], list[Dropout]] = {}

    def of(self, parts: Any, form: tuple[Any, ...]) -> list[Dropout]:
        """Those of a step with such parts; nothing is changed.

        Args:
            form: `form_of(parts)`.
        """
        network = self._network
        key = form, network.training
        if key not in self._used:
            own = [*network.named_parameters(), *network.named_buffers()]
            with DropoutRecorder() as recorder, torch.no_grad():
                _called(self._loss, {name: tensor.clone() for name, tensor in own}, whole(parts))
            self._used[key] = recorder.used
        return self._used[key]


def _called(loss: _Loss, tensors: dict[str, Tensor], parts: Any) -> tuple[Tensor, list[MeterValue]]:
    named = {f"network.{name}": tensor for name, tensor in tensors.items()}
    values: tuple[Tensor, list[MeterValue]] = functional_call(loss, named, (parts,))
    return values


class Traced(NamedTuple):
    """What a forward pass shows.

    unused  the names of the network's parameters that get no gradient
    saved   bytes that the loss keeps for its gradient, beside weights and buffers
    """

    unused: frozenset[str]
    saved: int


def traced(trainer: UniversalTrainer, parts: Any) -> Traced:
    """Looks at the forward pass of a step with these parts; nothing is changed."""
    own = {**dict(trainer.network.named_parameters()), **dict(trainer.network.named_buffers())}
    copies = {
        name: tensor.detach().clone().requires_grad_(tensor.requires_grad) for name, tensor in own.items()
    }
    learned = {name: tensor for name, tensor in copies.items() if tensor.requires_grad}
    with DropoutRecorder(), counted(copies.values()) as sizes:
        loss, _ = _called(_Loss(trainer), copies, whole(parts))
    gradients = torch.autograd.grad(loss, list(learned.values()), allow_unused=True)
    unused = [name for name, gradient in zip(learned, gradients, strict=True) if gradient is None]
    return Traced(frozenset(unused), sum(sizes.values()))
