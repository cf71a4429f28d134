"""Several trainings of one kind, trained as one, each as it would be alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, final

from harness.core.progress import Progress
from harness.evaluate.scored_rows import Answers
from harness.trainer.fused.fused_member import Member
from harness.trainer.fused.stacked_members import StackedMembers

_MANY = 1 << 30
"""More members than any group has."""

_NUMBERS_AT_ONCE = 1 << 18
"""Outputs of members that are scored together: with more, the second part of a validation gains nothing."""


class Reached(NamedTuple):
    """What a member has reached: a progress, within which the member's random numbers are the process's."""

    member: Member
    progress: Progress


def fit_members(
    members: Sequence[Member], stop: Callable[[], bool], due: Callable[[], bool] = lambda: False
) -> Iterator[Reached]:
    """Trains all members, epoch by epoch, and yields what `UniversalTrainer.fit` yields for each.

    A member whose training is over, or failed (`failure`), leaves; the others are not changed by that. At the
    end each model has the weights of its best epoch. The random generators are left as they were.

    Args:
        members: of one kind, see `harness.trainer.fused.training_kind`.
        stop, due: as in `fit`; every member then yields its progress within the epoch.
    """
    group = GroupTraining()
    for member in members:
        member.begin()
        group.add(member)
    while group.members:
        yield from group.epoch(stop, due)


@final
class GroupTraining:
    """Trainings of one kind that advance together. Members join between epochs, and leave at any time.

    most  members that are computed at once, see `StackedMembers`
    """

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.most = _MANY
        self._stacked: tuple[list[Member], StackedMembers] | None = None

    def add(self, member: Member) -> None:
        """Takes a member that has begun; one whose training is over is finished at once."""
        if not _left(member):
            self.members.append(member)

    def remove(self, member: Member) -> None:
        """Lets a member go, within an epoch too; its weights are then of no use."""
        if member in self.members:
            self.members.remove(member)

    def epoch(self, stop: Callable[[], bool], due: Callable[[], bool]) -> Iterator[Reached]:
        """Trains an epoch of every member, or what is left of one; see `fit_members`."""
        # Members with equal batches are neighbours, so that their rows are one slice.
        order = sorted(self.members, key=lambda member: len(member.loaders.train.rows))
        if self._stacked is None or order != self._stacked[0]:
            self._stacked = order, StackedMembers(order, self.most)
        stacked = self._stacked[1]
        for stopping in stacked.train_epoch(stop, due):
            self.most = stacked.most
            for member in self._still(order):
                with member.random.active():
                    yield Reached(member, member.trainer.progress(member.best))
            if stopping:
                for member in self._still(order):
                    member.finish()
                self.members = []
                return
        self.most = stacked.most
        scores = joint_scores(list(self._still(order)))
        for member in self._still(order):
            with member.random.active():
                progress = member.end_epoch(scores.pop(member, None))
                if progress is not None:
                    yield Reached(member, progress)
        self.members = [m for m in self.members if m.failure is None and not _left(m)]

    def _still(self, members: Sequence[Member]) -> Iterator[Member]:
        """Those that have not failed, or been removed, by the time that they are asked for."""
        return (member for member in members if member.failure is None and member in self.members)


def joint_scores(members: Sequence[Member]) -> dict[Member, dict[str, float]]:
    """The validation scores of the members that have a validation in two parts, if there are several."""
    found: dict[Member, dict[str, float]] = {}
    waiting: dict[Member, Answers] = {}
    for member in members if len(members) > 1 else ():
        answers = member.answers()
        if answers is not None:
            waiting[member] = answers
            if sum(one.outputs.numel() for one in waiting.values()) >= _NUMBERS_AT_ONCE:
                found |= _scored(waiting)
                waiting.clear()
    return found | _scored(waiting)


def _scored(waiting: dict[Member, Answers]) -> dict[Member, dict[str, float]]:
    if not waiting:
        return {}
    joint = next(iter(waiting)).joint
    assert joint is not None
    return dict(zip(waiting, joint.scores(list(waiting.values())), strict=True))


def _left(member: Member) -> bool:
    """Whether a member's training is over; it then has its final weights."""
    if not member.trainer.is_over(member.best):
        return False
    member.finish()
    return True
