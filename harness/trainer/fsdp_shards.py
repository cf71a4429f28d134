"""Shards: a network of which each process of torchrun keeps a share of the weights.

Gradients and the optimizer's memory are divided with them; a layer's weights are put together while it is
computed, by torch's `fully_shard` (arXiv 2304.11277; ZeRO stage 3 of arXiv 1910.02054).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, final

import torch
from torch import Tensor, nn

from harness.core.errors import UserError
from harness.runtime.distributed import world
from harness.trainer.data_parallel import Loss, Step, with_own_kernels
from harness.trainer.layers import layers_of

Dress = tuple[type, dict[str, Any]]
"""The class of a module, and those of its attributes that hold parameters and hooks."""


@final
class Shards:
    """The same as `Replicas`, of a network that is divided; all processes ask everything together.

    torch swaps each module's parameters, class and hooks in place. What they were before is kept, so that
    the network can be a plain one again: while it is validated, whose scores then need no exchange, and once
    it is trained. For that long each process has room for all weights, though for nothing else.

    Args:
        model: its layers are divided each for itself, see `harness.trainer.layers.layers_of`.
        network: everything that learns, the model within it.
        loss: of a step's parts.

    Raises:
        UserError: a parameter cannot be divided.
    """

    def __init__(self, model: nn.Module, network: nn.Module, loss: Loss) -> None:
        _check(network)
        self._modules = list(network.modules())
        self._parameters = list(network.parameters())
        self._plain = [_copied(_dress(module)) for module in self._modules]
        self._step = Step(network, loss)
        _divide(model, self._step, self._parameters[0].device)
        self._shares: list[Any] = list(network.parameters())
        self._divided = [_dress(module) for module in self._modules]
        self._forget()

    def loss(self) -> Loss:
        """What a step calls; which parameters learn is read off them at each call."""
        return self._step

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Within it the network is a plain one with all its weights, which are not to be changed."""
        self._gather()
        self._wear(self._plain)
        try:
            yield
        finally:
            self._wear(self._divided)
            self._forget()

    def release(self) -> None:
        """The training is over: from now on the network is a plain one."""
        self._gather()
        self._wear(self._plain)
        self._shares, self._divided = [], []

    def suited(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """The optimizer, without a fused kernel that torch does not know for divided weights."""
        if not isinstance(optimizer, torch.optim.Adam):  # AdamW is one
            asked: Any = optimizer  # torch declares it nowhere
            asked._step_supports_amp_scaling = False
            for group in optimizer.param_groups:
                if group.get("fused"):
                    group["fused"] = None
        return optimizer

    def divided(self, state: Any, part: Any) -> Any:
        """A part's state as it can be loaded, of one whose tensors are whole."""
        state, live = with_own_kernels(state, part), part.state_dict()
        if isinstance(part, torch.optim.Optimizer):
            live = {"state": _of_weights(part, state["state"])}
        return _cut(state, live)

    @torch.no_grad()
    def _gather(self) -> None:
        for parameter, share in zip(self._parameters, self._shares, strict=True):
            parameter.data = share.full_tensor()
            parameter.requires_grad_(share.requires_grad)

    def _forget(self) -> None:
        """Lets go of the weights of other processes."""
        for parameter in self._parameters:
            parameter.data = parameter.data.new_empty(0)

    def _wear(self, dresses: list[Dress]) -> None:
        for module, (kind, attributes) in zip(self._modules, dresses, strict=True):
            module.__class__ = kind
            vars(module).update(attributes)


def _check(network: nn.Module) -> None:
    for name, parameter in network.named_parameters():
        if parameter.ndim == 0:
            raise UserError(
                f"trainer.speed.parallel=fsdp divides parameters along their first dimension, and {name} "
                "has none; give it the shape (1,), or use trainer.speed.parallel=ddp."
            )


def _divide(model: nn.Module, step: nn.Module, device: torch.device) -> None:
    """Layers with matrices each for itself, everything else together."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    for parameter in step.parameters():
        parameter.data = parameter.data.contiguous()  # channels last is no order that can be divided
    mesh = init_device_mesh(device.type, (world(),))
    modules = [module for layer in layers_of(model) for module in layer.modules]
    for module in modules:
        if _alone(module, modules):
            fully_shard(module, mesh=mesh)
    fully_shard(step, mesh=mesh)


def _alone(module: nn.Module, modules: list[nn.Module]) -> bool:
    """Whether it has matrices, and shares no weight with another of the modules."""
    own = set(module.parameters())
    others = {weight for other in modules if other is not module for weight in other.parameters()}
    return any(weight.ndim > 1 for weight in own) and not own & others


def _dress(module: nn.Module) -> Dress:
    """What the module wears."""
    return type(module), {
        key: value for key, value in vars(module).items() if key == "_parameters" or "hooks" in key
    }


def _copied(dress: Dress) -> Dress:
    """The same after torch has written into it."""
    kind, attributes = dress
    return kind, {key: copy(value) for key, value in attributes.items()}


def _of_weights(optimizer: torch.optim.Optimizer, state: dict[int, dict[str, Any]]) -> dict[int, Any]:
    """Of each number that the optimizer remembers per weight, the weight."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    return {
        place: {
            name: weights[place]
            for name, value in memory.items()
            if isinstance(value, Tensor) and value.shape == weights[place].shape
        }
        for place, memory in state.items()
    }


def _cut(saved: Any, live: Any) -> Any:
    """What was saved, divided where the live state is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if isinstance(live, DTensor):
        return distribute_tensor(saved.to(live.device), live.device_mesh, live.placements, src_data_rank=None)
    if isinstance(saved, dict) and isinstance(live, dict):
        return type(saved)({key: _cut(value, live.get(key)) for key, value in saved.items()})
    if isinstance(saved, list | tuple) and isinstance(live, list | tuple):
        return type(saved)(_cut(value, other) for value, other in zip(saved, live, strict=True))
    return saved
