"""LARS: a learning rate of its own for every layer, so that batches of thousands of rows train."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT


@final
class LARS(torch.optim.Optimizer):
    """Momentum over gradients that are scaled to the size of the weights (arXiv 1708.03888).

    With d = g + weight_decay * w, a parameter of two dimensions or more moves by

        buffer <- momentum * buffer + d * trust * |w| / |d|
        w      <- w - lr * buffer

    in 2-norms, with the ratio 1 where one of them is 0. Biases and the weights of norms have one
    dimension and are not scaled; their group says whether they decay. The decay is within the
    norm and the rate outside of the buffer, as in the codes of SimCLR (arXiv 2002.05709) and BYOL (arXiv
    2006.07733); the paper has |w| / (|g| + weight_decay * |w|), and the rate within.

    A step does not wait for the device and takes a few calls for all parameters of a group together.

    Args:
        params: parameters, or groups of them with values of their own.
        lr: the rate; usually linear in the batch size, 0.3 per 256 rows for SimCLR.
        momentum: of the buffer, each step; 0 to below 1.
        weight_decay: of the weights, added to the gradient; at least 0.
        trust: how far a step at rate 1 moves a layer, as a share of its norm; above 0.

    Raises:
        ValueError: a value is out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        *,
        lr: float,
        momentum: float,
        weight_decay: float,
        trust: float,
    ) -> None:
        if not (lr >= 0 and math.isfinite(lr)):
            raise ValueError(f"lr must be 0 or more, got {lr}")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be at least 0 and below 1, got {momentum}")
        if not weight_decay >= 0:
            raise ValueError(f"weight_decay must be 0 or more, got {weight_decay}")
        if not trust > 0:
            raise ValueError(f"trust must be above 0, got {trust}")
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Moves every parameter that has a gradient; the closure's loss, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                self._move(weights, group)
        return loss

    def _move(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        changes = list(torch._foreach_add(gradients, weights, alpha=group["weight_decay"]))
        _scale(weights, changes, group["trust"])
        buffers = [self._buffer(weight) for weight in weights]
        torch._foreach_mul_(buffers, group["momentum"])
        torch._foreach_add_(buffers, changes)
        torch._foreach_add_(weights, buffers, alpha=-group["lr"])

    def _buffer(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        buffer: Tensor = state["momentum_buffer"]
        return buffer


def _scale(weights: list[Tensor], changes: list[Tensor], trust: float) -> None:
    """Multiplies the changes of layers, in place, by `trust` times the ratio of the two norms."""
    layers = [place for place, weight in enumerate(weights) if weight.ndim > 1]
    if not layers:
        return
    scaled = [changes[place] for place in layers]
    own = torch.stack(torch._foreach_norm([weights[place] for place in layers]))
    change = torch.stack(torch._foreach_norm(scaled))
    ratios = torch.where((own > 0) & (change > 0), trust * own / change, 1.0)
    torch._foreach_mul_(scaled, list(ratios.unbind()))
