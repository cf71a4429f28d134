"""Adam's and AdamW's step by torch's fused kernel, without what torch does around it.

torch's `step` takes three times as long as the kernel for a small network: it looks for hooks, for a graph to
compile and for the kernel, and groups tensors by device. The arithmetic is the kernel's, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, final

import torch
from torch import Tensor
from torch.optim import optimizer as library

_KINDS = (torch.optim.Adam, torch.optim.AdamW)
"""A subclass may compute something else."""


def has_kernel(group: Mapping[str, Any]) -> bool:
    """Whether one kernel computes a step with the settings of this group, and it has only to be called."""
    if not group["fused"] or isinstance(group["lr"], Tensor):
        return False
    first, second = group["betas"]
    return not (isinstance(first, Tensor) or isinstance(second, Tensor))


class AdamTensors(NamedTuple):
    """What a call of the kernel changes: weights of one type on one device, and their moments.

    largest  of each, the largest second moment so far; empty without amsgrad
    """

    weights: list[Tensor]
    first: list[Tensor]
    second: list[Tensor]
    largest: list[Tensor]
    steps: list[Tensor]


def adam_tensors(weights: list[Tensor], moments: Sequence[Mapping[str, Tensor]]) -> AdamTensors:
    """Of the weights and of their moments, as torch's optimizers name them."""
    return AdamTensors(
        weights,
        [own["exp_avg"] for own in moments],
        [own["exp_avg_sq"] for own in moments],
        [own["max_exp_avg_sq"] for own in moments if "max_exp_avg_sq" in own],
        [own["step"] for own in moments],
    )


def call_kernel(group: Mapping[str, Any], changed: AdamTensors, gradients: list[Tensor]) -> None:
    """What `torch.optim.adam.adam` calls with `fused=True`; the steps are counted already.

    Args:
        group: settings, see `has_kernel`.
        gradients: of the weights.
    """
    call = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
    call(
        changed.weights,
        gradients,
        changed.first,
        changed.second,
        changed.largest if group["amsgrad"] else [],
        changed.steps,
        amsgrad=group["amsgrad"],
        lr=group["lr"],
        beta1=group["betas"][0],
        beta2=group["betas"][1],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        maximize=group["maximize"],
    )


def step_of(optimizer: torch.optim.Optimizer) -> Callable[[], object]:
    """What takes a step of an optimizer: `KernelStep` where that is the same, else its own `step`."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    kinds = {(type(weight), weight.device.type, weight.dtype) for weight in weights}
    plain = len(kinds) == 1 and next(iter(kinds))[:2] == (torch.nn.Parameter, "cpu")
    return KernelStep(optimizer) if type(optimizer) in _KINDS and plain else lambda: optimizer.step()


@final
class KernelStep:
    """A step of Adam or AdamW for weights of one type on the CPU.

    The first step, which makes the moments, and steps that somebody observes are the optimizer's own.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer

    def __call__(self) -> None:
        groups = None if self._is_observed() else self._groups()
        if groups is None:
            self._optimizer.step()
            return
        with torch.no_grad():
            torch._foreach_add_([own["step"] for *_, moments in groups for own in moments], 1)
            for group, weights, gradients, moments in groups:
                call_kernel(group, adam_tensors(weights, moments), gradients)
        # torch's schedulers warn where the optimizer itself has taken no step.
        self._optimizer._opt_called = True  # type: ignore[attr-defined]

    def _is_observed(self) -> bool:
        """Whether a hook, a profiler or a `step` that was replaced expects a call of the optimizer's."""
        optimizer = self._optimizer
        replaced = vars(optimizer).get("step")
        return bool(
            (replaced is not None and not getattr(replaced, "_wrapped_by_lr_sched", False))
            or optimizer._optimizer_step_pre_hooks
            or optimizer._optimizer_step_post_hooks
            or library._global_optimizer_pre_hooks
            or library._global_optimizer_post_hooks
            or torch.autograd._profiler_enabled()  # type: ignore[attr-defined]
        )

    def _groups(self) -> list[tuple[dict[str, Any], list[Tensor], list[Tensor], list[Any]]] | None:
        """Settings, weights with a gradient, gradients and moments; None where no kernel can be called."""
        found = []
        for group in self._optimizer.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            moments = [self._optimizer.state.get(weight) for weight in weights]
            gradients = [weight.grad for weight in weights]
            if not has_kernel(group) or not all(moments) or any(grad.is_sparse for grad in gradients):
                return None
            if weights:
                found.append((group, weights, gradients, moments))
        return found
