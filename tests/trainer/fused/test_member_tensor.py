"""A member tensor gives what `torch.func.vmap` gives, to the last bit, or says that it cannot."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn import functional

from harness.model.mlp import MLP
from harness.model.numeric_embedding import PBLDEmbedding
from harness.model.piecewise_linear import PiecewiseLinearEmbedding
from harness.model.realmlp import RealMLP
from harness.trainer.fused.flat_members import FlatMembers
from harness.trainer.fused.fused_step import Computed, FusedStep
from harness.trainer.fused.member_functions import MemberFunctions
from harness.trainer.fused.member_tensor import MemberTensor, Unsuitable, dropping, values_of
from harness.trainer.fused.tensor_slots import TensorSlots
from tests.trainer.fused.test_group_training import MODELS, PLAIN, member

K = 3
OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "linear": lambda x, y: functional.linear(x, y[:4, :5]),
    "linear with a gap": lambda x, y: functional.linear(x[:5].relu(), y[:4, :5], y[5, :4]),
    "each": lambda x, y: x.tanh() + functional.gelu(y) - torch.sigmoid(x) * x.abs().sqrt(),
    "by numbers": lambda x, y: 1 - x / 3 + 2 / (y.square() + 1) - x**2 + x.clamp(-0.5, max=0.5),
    "broadcast": lambda x, y: x[:, None] * y[0] + y.unsqueeze(0)[:, 0],
    "scalars": lambda x, y: x * y.mean() - (x * y).sum() + x.mean() * y.mean(),
    "compared": lambda x, y: torch.where(x > y, x, y * 2) + torch.where(x <= 0, 1.0, y),
    "in place": lambda x, y: (x * 2).add_(y).mul_(x.mean(dim=0)).sub_(1),
    "a view in place": lambda x, y: _changed(x * 1, y),
    "dimensions": lambda x, y: (
        x.transpose(0, 1).flatten(0).view(6, 5).unsqueeze(-1).squeeze(2) + y.reshape((6, 5))
    ),
    "reduced": lambda x, y: x.mean(dim=0) * y.sum(-1, keepdim=True) + x.sum(dim=(0, 1)),
    "joined": lambda x, y: torch.cat([x, y * 2], dim=1)[..., 1:7] + torch.cat([x[:1], y], 0)[1, 2],
    "padded": lambda x, y: functional.pad(x, (1, 2, 0, 1), value=0.5)[:6, 1:6] * y,
    "product": lambda x, y: x @ y.transpose(-1, 0) + torch.matmul(x, y.transpose(0, 1)),
    "layer norm": lambda x, y: functional.layer_norm(x, (5,), y[0], y[1]) + functional.layer_norm(y, (5,)),
    "constants": lambda x, y: x * torch.arange(5.0) + torch.tensor(2.0) * y,
    "types": lambda x, y: (x.double() * y.double()).float().detach() + x.to(torch.float64).to(y.dtype),
    "shapes": lambda x, y: (
        x * x.shape[0] + y * y.size(1) + x.ndim + y.numel() + x.dim() * y.is_floating_point()
    ),
    "squares": lambda x, y: functional.mse_loss(x, y) + functional.mse_loss(x, y, reduction="none"),
    "two classes": lambda x, y: functional.binary_cross_entropy_with_logits(x, (y > 0).float()),
    "classes": lambda x, y: functional.cross_entropy(x, (y[:, 0] > 0).to(torch.int64)),
}
IMPOSSIBLE: dict[str, Callable[..., Any]] = {
    "no rule": lambda x, y: x.cumsum(0),
    "a number": lambda x, y: x * float(y[0, 0]),
    "a choice": lambda x, y: x if y.sum() > 0 else y,
    "rows by a tensor": lambda x, y: x[y[:, 0].argsort()],
    "types": lambda x, y: x.mean().double() * y,
    "a shared tensor": lambda x, y: x + torch.ones(2, 2, 6, 5),
    "a gradient in place": lambda x, y: (x.detach() * 1).add_(y),
    "no dimension": lambda x, y: x.mean().mean(),
    "classes as numbers": lambda x, y: functional.cross_entropy(x, y),
    "weights": lambda x, y: functional.binary_cross_entropy_with_logits(x, y, pos_weight=y[0]),
    "another size": lambda x, y: functional.mse_loss(x, y[:1]),
    "more dropout than was drawn": lambda x, y: functional.dropout(x, 0.5) * y,
    "a function of autograd's own": lambda x, y: Doubled.apply(x) * y,
    "its output": lambda x, y: Doubled.apply(x),
    "not from Python": lambda x, y: _within_torch(x),
}


def _within_torch(x: Tensor) -> Tensor:
    with torch._C.DisableTorchFunctionSubclass():
        return x.relu()


def _changed(x: Tensor, y: Tensor) -> Tensor:
    x[:, 1].mul_(y[:, 0])
    x += y
    return x


class Doubled(torch.autograd.Function):
    """2x, whose gradient is that of 3x."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # type: ignore[override]
        return gradients[0] * 3


def drawn() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(K, 6, 5, generator=generator).requires_grad_() for _ in range(2)]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_the_values_and_gradients_of_each_member(name: str) -> None:
    operation, found = OPERATIONS[name], []
    for stacked in (True, False):
        inputs = drawn()
        if stacked:
            values = values_of(operation(*map(MemberTensor, inputs)))
        else:
            with MemberFunctions([]):
                values = vmap(operation)(*inputs)
        weights = torch.linspace(-1, 1, values.numel()).view(values.shape)
        gradients = torch.autograd.grad((values * weights).sum(), inputs, allow_unused=True)
        found.append([values, *(gradient for gradient in gradients if gradient is not None)])
    assert len(found[0]) == len(found[1])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_has_no_rule_is_refused(name: str) -> None:
    with pytest.raises((Unsuitable, TypeError)), dropping([]):
        values_of(IMPOSSIBLE[name](*map(MemberTensor, drawn())))


def test_each_use_of_dropout_takes_the_next_mask() -> None:
    x, _ = map(MemberTensor, drawn())
    first, second = torch.rand(K, 6, 5), torch.rand(K, 6, 5)
    with dropping([first, second]):
        kept = functional.dropout(functional.dropout(x, 0.5), 0.5, training=True)
        same = functional.dropout(x, 0.5, training=False)
    assert torch.equal(values_of(kept), x.stacked * first * second)
    assert torch.equal(values_of(same), x.stacked)
    with pytest.raises(Unsuitable, match="a mask of dropout is left"), dropping([first]):
        functional.dropout(x, 0.0)


class Own(nn.Module):
    """A network with a function of autograd's own, and a parameter that two modules share."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 5), nn.Linear(5, 5)
        self.second.weight = self.first.weight
        self.width = 5

    def forward(self, inputs: Tensor) -> Tensor:
        made: Tensor = Doubled.apply(self.second(self.first(inputs)))
        return made


class Shared(Own):
    def forward(self, inputs: Tensor) -> Tensor:
        return self.second(self.first(inputs).relu()).tanh()


PBLD = partial(PBLDEmbedding, width=4, frequencies=6, scale=0.1, rate=0.1)
REAL = {"widths": [8, 8], "dropout": 0.1, "activation": "mish"}
RATES = {"scale_rate": 6.0, "bias_rate": 0.1, "activation_rate": 0.1}
NETWORKS: dict[str, tuple[Callable[[], nn.Module], bool]] = {
    "dropout": (MODELS["dropout"], True),
    "batch": (MODELS["batch"], True),
    "layer": (MODELS["layer"], True),
    "silu": (partial(MLP, (5,), **{**PLAIN, "activation": "silu"}), True),
    "realmlp": (partial(RealMLP, (5,), **REAL, **RATES, numeric=PBLD), True),
    "piecewise": (
        partial(
            MLP, (5,), **PLAIN, numeric=partial(PiecewiseLinearEmbedding, width=6, bins=5, activation=True)
        ),
        True,
    ),
    "shared": (Shared, True),
    "autograd": (Own, False),
    "codes": (MODELS["codes"], False),
    "transformer": (MODELS["transformer"], False),
}


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("kind", ["multiclass", "binary", "regression"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_has_the_bits_of_vmap(
    name: str, kind: Any, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, suitable = NETWORKS[name]
    monkeypatch.setitem(MODELS, name, new)
    members = [member(number, name, kind) for number in (0, 3, 7)[:count]]
    parts = []
    for own in members:
        own.begin()
        parts.append(own.unpack(next(iter(own.trainer.begin_epoch()))))
    stack = FlatMembers([own.trainer for own in members], members[0].trace(parts[0]).unused)
    before = {key: tensor.clone() for key, tensor in stack.stacked.items()}
    found: list[tuple[Computed, list[Tensor]]] = []
    for allowed in (True, False):
        step = FusedStep(members[0].trainer, stack, [own.dropout for own in members])
        step._suitable = allowed
        generators = [torch.Generator().manual_seed(number) for number in range(count)]
        computed = step(0, parts, step.draw(0, parts[0], generators))
        assert step._suitable is (allowed and suitable)
        found.append((computed, [tensor.clone() for tensor in stack.stacked.values()]))
        for key, tensor in before.items():
            stack.stacked[key].copy_(tensor)
    (ours, left), (theirs, other) = found
    assert torch.equal(ours.losses, theirs.losses)
    assert all(map(torch.equal, ours.gradients, theirs.gradients))
    assert all(map(torch.equal, left, other))


def test_slots_hold_other_tensors_for_a_while() -> None:
    network = Own()
    slots = TensorSlots(network)
    before = dict(network.named_parameters())
    other = {name: torch.zeros_like(tensor) for name, tensor in before.items()}
    with slots.filled(other):
        assert network.first.weight is network.second.weight is other["first.weight"]
    assert all(tensor is before[name] for name, tensor in network.named_parameters())
    assert network.second.weight is network.first.weight
