"""Data-parallel training: several processes take a step on their shares of a batch.

Each process computes the gradient of its rows; these are averaged during the backward pass by
torch's `DistributedDataParallel` (arXiv 2006.15704). In one process nothing is wrapped.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, final
from weakref import proxy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from harness.core.arrays import Batch
from harness.core.errors import UserError
from harness.runtime.process_group import rank, world

Loss = Callable[[Any], Tensor]


@final
class Step(nn.Module):
    """A loss as the forward pass of everything that learns from it, which is what torch wraps."""

    def __init__(self, network: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.network = network
        self._loss = loss

    def forward(self, parts: Any) -> Tensor:
        return self._loss(parts)


@final
class Replicas:
    """A network that every process has whole, as does a single one; `harness.trainer.fsdp_shards` divides it.

    Args:
        network: everything that learns, the model within it.
        loss: of a step's parts.
    """

    def __init__(self, model: nn.Module, network: nn.Module, loss: Loss) -> None:
        del model
        self._network, self._loss = network, loss

    def loss(self) -> Loss:
        """The loss of a training step; see `spread`."""
        return spread(self._loss, self._network)

    def whole(self) -> AbstractContextManager[None]:
        """Within this context the network is an unwrapped module with all its weights."""
        return nullcontext()

    def release(self) -> None:
        """Ends the training: from now on the network is an unwrapped module."""

    def suited(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """Returns the optimizer, with kernels that support the memory layout of the weights."""
        return optimizer

    def load(self, part: Any, state: Any) -> None:
        """Loads a part's state."""
        part.load_state_dict(in_memory_order(with_current_kernels(state, part), part))


def weak_loss(trainer: Any) -> Loss:
    """The loss of a trainer, without a strong reference to the trainer.

    A cycle of the two would keep weights and optimizer of each fold until Python's collector looks at its
    oldest generation, which is rare in a large program.
    """
    weak = proxy(trainer)
    return lambda parts: weak.loss(parts)


def with_current_kernels(state: Any, part: Any) -> Any:
    """An optimizer's state with this process's choice of kernels; the state of any other part unchanged."""
    if not isinstance(part, torch.optim.Optimizer):
        return state
    groups = [
        {**saved, "fused": own["fused"]} if "fused" in own else saved
        for saved, own in zip(state["param_groups"], part.param_groups, strict=True)
    ]
    return {**state, "param_groups": groups}


def in_memory_order(state: Any, part: Any) -> Any:
    """An optimizer's state, each tensor in the memory order of its parameter; other states unchanged.

    A file does not store the memory order. Fused kernels read a parameter and its moments in memory order,
    and would otherwise apply the moments of a channels-last weight to the wrong entries.
    """
    if not isinstance(part, torch.optim.Optimizer):
        return state
    parameters = [parameter for group in part.param_groups for parameter in group["params"]]
    return {**state, "state": {n: _in_order_of(kept, parameters[n]) for n, kept in state["state"].items()}}


def _in_order_of(kept: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
    """An optimizer's values for one parameter; tensors of its shape get its memory order."""
    return {
        name: torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)
        if isinstance(value, Tensor) and value.shape == parameter.shape
        else value
        for name, value in kept.items()
    }


def spread(loss: Loss, network: nn.Module) -> Loss:
    """A loss whose `backward` leaves the mean gradient of all processes in the network's parameters.

    It must be made anew after other parameters start to learn. Every step must use the same parameters;
    gradients may be accumulated over several calls. All processes get the weights and buffers of rank 0.
    """
    if world() == 1:
        return loss
    if not any(parameter.requires_grad for parameter in network.parameters()):
        return loss
    with warnings.catch_warnings():
        # torch renames `broadcast_buffers`. Ours are alike in all processes without it: statistics are
        # taken over all rows, and what follows the weights follows the same weights.
        warnings.simplefilter("ignore", FutureWarning)
        return DistributedDataParallel(
            Step(network, loss), broadcast_buffers=False, gradient_as_bucket_view=True, static_graph=True
        )


def weight_of(batch: Any) -> float:
    """The weight of this process's share of a batch in the mean over the processes.

    A batch is a `Batch`, or a pair of which the first leads.
    """
    leading: Batch = batch if isinstance(batch, Batch) else batch[0]
    return leading.weight


def set_process_seed(seed: int, step: int) -> None:
    """Seeds every process but the first differently, for augmentation and dropout.

    The seed follows from the training's seed, the step and the rank, so a checkpoint needs the generators
    of rank 0 only. Call it before a step, after the weights are drawn, which must be equal in all processes.
    """
    if rank() > 0:
        mixed = int(np.random.SeedSequence([seed % 2**63, step, rank()]).generate_state(1, np.uint64)[0])
        random.seed(mixed)
        np.random.seed(mixed % 2**32)
        torch.manual_seed(mixed % 2**63)


def check_device(device: torch.device) -> None:
    """Checks that each process of this machine has its own GPU.

    Raises:
        UserError: several would share one.
    """
    if world() == 1 or device.type != "cuda":
        return
    number: int | None = device.index  # which torch declares to be one always
    if number is not None:
        raise UserError(
            "trainer.device must leave the number to torchrun, which gives each process a card of its own, "
            f"got {device}",
            "use trainer.device=cuda",
            key="trainer.device",
        )
    _check_cards(torch.cuda.device_count())


def _check_cards(cards: int) -> None:
    from torch.distributed import get_node_local_rank

    if get_node_local_rank(fallback_rank=0) >= cards:
        raise UserError(
            f"torchrun must start at most one process per card, of which there {_are(cards)} here, got more",
            f"use --nproc-per-node {cards}, or trainer.device=cpu",
        )


def _are(count: int) -> str:
    return f"is {count}" if count == 1 else f"are {count}"
