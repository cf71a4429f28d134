"""Training with weights that are divided over the processes of torchrun (FSDP)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn

from harness.core.errors import UserError
from harness.runtime.process_group import world
from harness.trainer.data_parallel import Loss, Step, with_current_kernels
from harness.trainer.layers import layers_of


@final
class FsdpShards:
    """The same as `Replicas`, for a network whose weights are divided; all processes call it together.

    Gradients and the optimizer's state are divided with the weights. The weights of a layer are gathered
    while it is computed, by torch's `fully_shard` (arXiv 2304.11277; ZeRO stage 3 of arXiv 1910.02054).

    `fully_shard` changes modules for good. So a copy of the network trains, and `whole_network` stays a
    plain one: it gets all weights for validation, whose scores then need no exchange, and at the end. In
    between it is empty. A process needs room for all weights, but not for all gradients and states.

    Args:
        model: its layers are divided one by one, see `harness.trainer.layers.layers_of`.
        network: everything that learns, the model within it; it is divided in place.
        loss: (parts of a step) -> scalar, through `network`.
        whole_network: an undivided network of the same architecture.

    Raises:
        UserError: a parameter cannot be divided.
    """

    def __init__(self, model: nn.Module, network: nn.Module, loss: Loss, whole_network: nn.Module) -> None:
        _check_dimensions(network)
        self._network, self._whole_network = network, whole_network
        self._step = Step(network, loss)
        _divide(model, self._step, next(network.parameters()).device)
        _empty(whole_network)

    def loss(self) -> Loss:
        """The loss of a training step; which parameters are trained is read from them at each call."""
        return self._step

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Within this context the whole network has all weights, which must not be changed."""
        self.release()
        try:
            yield
        finally:
            _empty(self._whole_network)

    @torch.no_grad()
    def release(self) -> None:
        """Puts all weights and buffers into the whole network."""
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        weights: Any = get_model_state_dict(self._network, options=StateDictOptions(full_state_dict=True))
        for name, own in self._whole_network.state_dict(keep_vars=True).items():
            if isinstance(own, nn.Parameter):
                own.data = weights[name]  # `load_state_dict` would refuse a parameter that is empty now
            elif isinstance(own, Tensor):
                own.copy_(weights[name])

    def suited(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """The optimizer, without a fused kernel that torch does not know for divided weights."""
        if not isinstance(optimizer, torch.optim.Adam):  # AdamW is one
            unchecked: Any = optimizer  # torch declares the attribute nowhere
            unchecked._step_supports_amp_scaling = False
            for group in optimizer.param_groups:
                if group.get("fused"):
                    group["fused"] = None
        return optimizer

    def load(self, part: Any, state: Any) -> None:
        """Loads a part's state, whose tensors are whole, as a training without division stores it."""
        from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

        if part is self._network:
            set_model_state_dict(part, state, options=StateDictOptions(full_state_dict=True))
            return
        # An optimizer's state is stored by position, as torch's own `state_dict` gives it, so that a run
        # may go on undivided; `set_optimizer_state_dict` takes names, and makes up states that are absent.
        state, live = with_current_kernels(state, part), part.state_dict()
        if isinstance(part, torch.optim.Optimizer):
            live = {"state": _of_weights(part, state["state"])}
        part.load_state_dict(_distributed(state, live))


def _check_dimensions(network: nn.Module) -> None:
    for name, parameter in network.named_parameters():
        if parameter.ndim == 0:
            raise UserError(
                f"trainer.speed.parallel=fsdp divides parameters along their first dimension, and {name} has "
                "none",
                "give it the shape (1,), or use trainer.speed.parallel=ddp",
                key="trainer.speed.parallel",
                value="fsdp",
            )


def _divide(model: nn.Module, step: nn.Module, device: torch.device) -> None:
    """Divides layers with matrices one by one, and everything else together."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    for parameter in step.parameters():
        parameter.data = parameter.data.contiguous()  # `fully_shard` cannot divide the order channels last
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


def _empty(network: nn.Module) -> None:
    """Frees the weights; the parameters stay the same objects."""
    for parameter in network.parameters():
        parameter.data = parameter.data.new_empty(0)


def _of_weights(optimizer: torch.optim.Optimizer, state: dict[int, dict[str, Any]]) -> dict[int, Any]:
    """For each tensor that the optimizer keeps per weight, the weight, which is divided as it shall be."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    return {
        place: {
            name: weights[place]
            for name, value in memory.items()
            if isinstance(value, Tensor) and value.shape == weights[place].shape
        }
        for place, memory in state.items()
    }


def _distributed(saved: Any, live: Any) -> Any:
    """What was saved, divided where the live state is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if isinstance(live, DTensor):
        return distribute_tensor(saved.to(live.device), live.device_mesh, live.placements, src_data_rank=None)
    if isinstance(saved, dict) and isinstance(live, dict):
        return type(saved)({key: _distributed(value, live.get(key)) for key, value in saved.items()})
    if isinstance(saved, list | tuple) and isinstance(live, list | tuple):
        return type(saved)(_distributed(value, other) for value, other in zip(saved, live, strict=True))
    return saved
