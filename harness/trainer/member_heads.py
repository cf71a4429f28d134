"""Heads and losses for a model whose representation has the parts of several members (`members`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn

from harness.core.task import Task

Comparison = Callable[[Tensor, Tensor], Tensor]
"""(outputs, targets) -> loss."""

_LEAST = 1e-12


@final
class MemberHeads(nn.Module):
    """A linear layer for each of M members: (B, M * D) -> (B, M, C), in evaluation mode the ensemble's (B,
    C).

    With one output, without the last dimension. The ensemble averages probabilities, or numbers (arXiv
    2410.24210, section 3): its logits are the logarithms of mean probabilities, of labels and two classes
    their log-odds.

    Args:
        width: M * D.
    """

    def __init__(self, width: int, members: int, task: Task) -> None:
        super().__init__()
        self.members, self.kind, self.single = members, task.kind, task.outputs == 1 and not task.several
        inputs = width // members
        bound = inputs**-0.5
        shape = (members, inputs, task.outputs)
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, task.outputs).uniform_(-bound, bound))

    def forward(self, representation: Tensor) -> Tensor:
        parts = representation.reshape(-1, self.members, self.weight.shape[1]).transpose(0, 1)
        outputs = (parts @ self.weight).transpose(0, 1) + self.bias
        if self.single:
            outputs = outputs.squeeze(2)
        return outputs if self.training else self._together(outputs)

    def _together(self, outputs: Tensor) -> Tensor:
        if self.kind == "regression":
            return outputs.mean(dim=1)
        if self.kind == "multiclass":
            return outputs.float().softmax(dim=-1).mean(dim=1).clamp_min(_LEAST).log()
        # The mean of 1 - p as well, since 1 minus a mean close to 1 would lose its digits.
        outputs = outputs.float()
        present, absent = outputs.sigmoid().mean(dim=1), (-outputs).sigmoid().mean(dim=1)
        return present.clamp_min(_LEAST).log() - absent.clamp_min(_LEAST).log()


def per_member(compare: Comparison, dimensions: int) -> Comparison:
    """The comparison of each member's outputs with the targets, all with equal weight.

    Args:
        compare: of outputs with the number of `dimensions` that a single network's have.

    Returns:
        What `compare` returns; (B, M) where that is a loss of each row. Outputs without the dimension of
        members, as in evaluation mode, are compared as they are.
    """

    def each(outputs: Tensor, targets: Tensor) -> Tensor:
        if outputs.ndim == dimensions:
            return compare(outputs, targets)
        rows, members = outputs.shape[:2]
        loss = compare(outputs.flatten(0, 1), targets.repeat_interleave(members, dim=0))
        return loss if loss.ndim == 0 else loss.reshape(rows, members)

    return each
