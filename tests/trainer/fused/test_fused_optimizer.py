"""A member whose step is left out keeps its weights and its count of steps, whoever steps beside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.trainer.fused.flat_members import FlatMembers
from harness.trainer.fused.fused_member import Member
from harness.trainer.fused.fused_optimizer import FusedOptimizer
from harness.trainer.fused.fused_step import rows_of
from tests.trainer.fused import test_group_training as group

STEPS = [[0, 1, 2], [0, 2], [0, 1, 2], [1]]
"""Which of three members take each step."""


def begun() -> list[Member]:
    members = [group.member(number, decay_all=True) for number in range(3)]
    for member in members:
        member.begin()
    return members


def gradients(step: int, members: Sequence[Member]) -> list[list[list[Tensor]]]:
    """Of each member and group of parameters, those of each parameter."""
    draws = torch.Generator().manual_seed(step)
    return [
        [
            [torch.randn(parameter.shape, generator=draws) for parameter in one["params"]]
            for one in member.trainer.optimizer.param_groups
        ]
        for member in members
    ]


def test_each_member_takes_the_steps_of_its_own_optimizer() -> None:
    fused, alone = begun(), begun()
    flat = FlatMembers([member.trainer for member in fused])
    optimizer = FusedOptimizer([member.trainer for member in fused], flat)
    for step, taking in enumerate(STEPS):
        drawn = gradients(step, fused)
        rows = [
            [torch.cat([one.flatten() for one in drawn[k][number]]) for k in taking]
            for number in range(len(flat.rows))
        ]
        optimizer.step(taking, rows)
        for k in taking:
            own = alone[k].trainer.optimizer
            for one, given in zip(own.param_groups, drawn[k], strict=True):
                for parameter, gradient in zip(one["params"], given, strict=True):
                    parameter.grad = gradient
            own.step()
    for k, (member, other) in enumerate(zip(fused, alone, strict=True)):
        count = sum(k in taking for taking in STEPS)
        for mine, theirs in zip(
            member.trainer.network.parameters(), other.trainer.network.parameters(), strict=True
        ):
            assert torch.equal(mine, theirs)
            assert member.trainer.optimizer.state[mine]["step"].item() == count
            assert other.trainer.optimizer.state[theirs]["step"].item() == count


def test_the_gradients_of_a_group_are_one_row_for_each_member() -> None:
    matrix, vector, number = torch.randn(2, 4, 3).transpose(1, 2), torch.randn(2, 5), torch.randn(2)
    rows = rows_of([matrix, vector, number])
    for k in range(2):
        assert torch.equal(rows[k], torch.cat([matrix[k].flatten(), vector[k], number[k : k + 1]]))
