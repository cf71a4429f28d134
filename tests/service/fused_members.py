"""Trains the members of a fused training, together and alone, and compares what they learned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.core.progress import Progress
from harness.trainer.fused.fused_member import Member
from harness.trainer.fused.group_training import fit_members


def scores(progress: Progress) -> dict[str, float]:
    """Without the times."""
    return {name: value for name, value in progress.scores.items() if not name.startswith("time/")}


def together(members: Sequence[Member]) -> list[list[dict[str, float]]]:
    """Trains them as one; the scores of each member's epochs."""
    seen: list[list[dict[str, float]]] = [[] for _ in members]
    for one, progress in fit_members(members, lambda: False):
        seen[members.index(one)].append(scores(progress))
    return seen


def alone(one: Member) -> list[dict[str, float]]:
    """Trains it by the plain engine; the scores of its epochs."""
    with one.random.active():
        fit = one.trainer.fit(one.model, one.loaders, one.augment, one.validate, lambda: False)
        return [scores(progress) for progress in fit]


def weights(one: Member) -> dict[str, Tensor]:
    """By name, those of all networks that it trains."""
    return dict(one.trainer.network.state_dict())


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """To the last bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
