"""Batch normalisation over the rows of all processes, so that a share of a batch is normed as the whole."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from harness.runtime.distributed import stacked
from harness.runtime.process_group import world


@final
class GlobalBatchNorm(_BatchNorm):
    """`nn.BatchNorm` of any number of dimensions, with mean and variance of every process's rows.

    Shares of different size count by their rows. One exchange forwards and one backwards, of two numbers
    per channel. In evaluation mode it is batch normalisation as ever, and exchanges nothing.
    (arXiv 1502.03167, with the variances put together as by Chan, Golub and LeVeque, 1979.)
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        values = input.float()
        dims = [0, *range(2, values.ndim)]
        variance, mean = torch.var_mean(values, dim=dims, correction=0)
        count = values.numel() // values.shape[1]
        statistics = stacked(torch.stack([mean, variance, torch.full_like(mean, count)]))  # (world, 3, C)
        means, variances, counts = statistics.unbind(1)
        total = counts.sum(0)
        mean = (counts * means).sum(0) / total
        variance = (counts * (variances + (means - mean).square())).sum(0) / total
        self._remember(mean.detach(), variance.detach(), total.detach())
        shape = (1, -1, *[1] * (values.ndim - 2))
        normed = (values - mean.view(shape)) * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normed = normed * self.weight.view(shape) + self.bias.view(shape)
        return normed.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Moves the running statistics, as torch does: by the unbiased variance."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        unbiased = variance * count / (count - 1)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), share)


def norm_globally(module: nn.Module, device: torch.device) -> None:
    """Replaces each batch normalisation within a module, in place; weights and their names stay.

    On CUDA by torch's `SyncBatchNorm`, which runs there alone. In one process nothing is changed.
    """
    if world() == 1:
        return
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        return
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm) and not isinstance(child, GlobalBatchNorm):
                setattr(parent, name, _global(child))


def _global(norm: _BatchNorm) -> GlobalBatchNorm:
    """The same parameters and buffers, under a class that exchanges."""
    made = GlobalBatchNorm(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    made.weight, made.bias = norm.weight, norm.bias
    made.running_mean, made.running_var = norm.running_mean, norm.running_var
    made.num_batches_tracked = norm.num_batches_tracked
    made.training = norm.training
    return made
