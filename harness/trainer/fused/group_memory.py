"""How much memory a member of a fused training needs, and how many fit."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from harness.core.arrays import Loaders
from harness.data.load.free_memory import free
from harness.data.load.resident import ResidentPart
from harness.trainer.fused.fused_member import Member
from harness.trainer.random_state import generators, set_generators

_SHARE = 0.5
"""Of the free memory, for all members. The other half is the margin: for what an operator needs while it
runs, for the moment in which weights are stacked, and for other processes."""

_COPIES = 7
"""Tensors of the size of the weights that a member has: weights, best epoch, gradient and its parts, two
moments, average."""


def member_bytes(member: Member) -> int:
    """What a member needs that has begun: samples, weights, and what a step keeps for its gradient.

    The last is measured in the forward pass of one batch; nothing is changed.
    """
    trainer = member.trainer
    if member.traced is None:
        kept = generators(trainer.device)
        batch = next(iter(member.loaders.train))
        trainer.network.train()
        parts = trainer.unpack(batch, member.augment)
        set_generators(kept, trainer.device)
        member.trace(parts)
    assert member.traced is not None
    weights = sum(p.numel() * p.element_size() for p in trainer.network.parameters())
    return _samples(member.loaders) + _COPIES * weights + member.traced.saved


def fitting(member: Member) -> int:
    """How many members like this one, which has not begun, fit into the memory together; at least 1.

    Tried on a copy.
    """
    kept = generators(member.trainer.device)
    trainer, model = copy.deepcopy((member.trainer, member.model))
    trial = Member(trainer, model, member.loaders, member.augment, member.validate)
    trial.begin()
    needed = member_bytes(trial)
    set_generators(kept, trainer.device)
    return max(1, int(_SHARE * free(trainer.device)) // needed)


def another_fits(groups: Sequence[Sequence[Member]]) -> bool:
    """Whether the free memory has room for another member, and for the steps of those that train.

    Args:
        groups: members of one kind each, of which the other one is supposed to be.
    """
    needed = steps = 0
    for members in groups:
        # One stands for all of its kind: looking at it takes as long as a step.
        known = next((member for member in members if member.traced is not None), members[0])
        needed = max(needed, member_bytes(known))
        assert known.traced is not None
        steps += len(members) * known.traced.saved
    return needed + steps <= _SHARE * min(free(members[0].trainer.device) for members in groups)


def _samples(loaders: Loaders) -> int:
    return loaders.train.bytes_held if isinstance(loaders.train, ResidentPart) else 0
