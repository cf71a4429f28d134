"""Several trainings of one kind, trained as one, each as it would be alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from time import perf_counter
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from harness.core.arrays import Batch, Loaders
from harness.core.errors import Diverged
from harness.core.progress import Progress
from harness.core.protocol import Augment
from harness.trainer.best_epoch import Best
from harness.trainer.fused.flat_members import FlatMembers, release
from harness.trainer.fused.fused_optimizer import FusedOptimizer
from harness.trainer.fused.fused_step import DropoutUses, FusedStep, unused_parameters
from harness.trainer.fused.member_random import MemberRandom
from harness.trainer.supervised import SupervisedTrainer
from harness.trainer.universal import Validate


@dataclass(eq=False)
class Member:
    """One of the trainings, with what `UniversalTrainer.fit` takes.

    random   its random numbers from here on: made when the process has the state that `fit` would begin with
    state    of an earlier, interrupted training; None: a new one
    failure  why it ended early; None: it did not
    kind     see `training_kind`; None: not known yet
    """

    trainer: SupervisedTrainer
    model: nn.Module
    loaders: Loaders
    augment: Augment
    validate: Validate
    state: dict[str, Any] | None = None
    random: MemberRandom = field(default_factory=MemberRandom)
    failure: Diverged | None = None
    kind: Hashable | None = None

    def begin(self) -> None:
        """Builds what `fit` builds before its first step."""
        with self.random.active():
            self.trainer.attach(self.model, self.loaders)
            self.best: Best = self.trainer.new_best()
            if self.state is not None:
                self.trainer.restore(self.state, self.best)
        self.state = None
        self.dropout = DropoutUses(self.trainer)
        # What the weights are never used for does not depend on the group, so it is looked up once.
        self.unused: frozenset[str] | None = None

    def end_epoch(self) -> Progress | None:
        """Validates; None where the training failed."""
        try:
            return self.trainer.end_epoch(self.trainer, self.best, self.validate)
        except Diverged as error:
            self.failure = error
            return None

    def finish(self) -> None:
        """Ends the training with the weights of its best epoch, in tensors of its own."""
        release(self.trainer.network)
        self.trainer.finish(self.best)


class Step(NamedTuple):
    """The input of one member's step."""

    data: Tensor
    labels: Tensor


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
    """Trainings of one kind that advance together. Members join between epochs, and leave at any time."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self._stacked: tuple[list[Member], _Stacked] | None = None

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
            self._stacked = order, _Stacked(order)
        for stopping in self._stacked[1].train_epoch(stop, due):
            for member in self._still(order):
                with member.random.active():
                    yield Reached(member, member.trainer.progress(member.best))
            if stopping:
                for member in self._still(order):
                    member.finish()
                self.members = []
                return
        for member in self._still(order):
            with member.random.active():
                progress = member.end_epoch()
                if progress is not None:
                    yield Reached(member, progress)
        self.members = [m for m in self.members if m.failure is None and not _left(m)]

    def _still(self, members: Sequence[Member]) -> Iterator[Member]:
        """Those that have not been removed by the time that they are asked for."""
        return (member for member in members if member in self.members)


def _left(member: Member) -> bool:
    """Whether a member's training is over; it then has its final weights."""
    if not member.trainer.is_over(member.best):
        return False
    member.finish()
    return True


@final
class _Stacked:
    """The members that train now, their stacked tensors and their steps."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = members
        self._parts: tuple[FusedStep, FusedOptimizer] | None = None

    def _built(self, first: Step) -> tuple[FusedStep, FusedOptimizer]:
        if self._parts is None:
            trainers = [member.trainer for member in self._members]
            leader = self._members[0]
            if leader.unused is None:
                leader.unused = unused_parameters(leader.trainer, *first)
            flat = FlatMembers(trainers, leader.unused)
            dropout = [member.dropout for member in self._members]
            self._parts = FusedStep(trainers[0], flat, dropout), FusedOptimizer(trainers, flat)
        return self._parts

    def train_epoch(self, stop: Callable[[], bool], due: Callable[[], bool]) -> Iterator[bool]:
        """Trains the rest of an epoch; yields after a step where progress is due: true if it stops there."""
        batches = [member.trainer.begin_epoch() for member in self._members]
        running = list(range(len(self._members)))
        begun = perf_counter()
        drawn = False
        while running:
            steps: dict[int, Step] = {}
            for number in running:
                step = self._next(number, batches[number], drawn)
                if step is not None:
                    steps[number] = step
            drawn = True
            for together in _runs(steps):
                self._step(together)
            running = [n for n in steps if not self._members[n].trainer.budget_used]
            stopping = bool(steps) and stop()
            if steps and (stopping or due()):
                begun = self._share_time(begun)
                yield stopping
                if stopping:
                    return
                begun = perf_counter()
        self._share_time(begun)

    def _share_time(self, begun: float) -> float:
        """Counts the time since `begun` for all members, each its share."""
        now = perf_counter()
        for member in self._members:
            member.trainer.clock.add((now - begun) / len(self._members))
        return now

    def _next(self, number: int, batches: Iterator[Any], drawn: bool) -> Step | None:
        """The input of a member's next step; None after the last of its epoch."""
        member = self._members[number]
        if drawn:
            batch = next(batches, None)
        else:
            with member.random.drawing_order():  # that of an epoch is drawn with its first batch
                batch = next(batches, None)
        if batch is None:
            return None
        assert isinstance(batch, Batch)
        parts = member.trainer.unpack(batch, member.augment)
        return Step(parts.data, parts.labels)

    def _step(self, steps: dict[int, Step]) -> None:
        """One optimizer step of consecutive members with batches of one shape."""
        numbers = list(steps)
        members = [self._members[number] for number in numbers]
        step, optimizer = self._built(next(iter(steps.values())))
        losses, gradients = step(
            numbers[0],
            torch.stack([one.data for one in steps.values()]),
            torch.stack([one.labels for one in steps.values()]),
            [member.random.generator for member in members],
        )
        rows = [list(gradient.unbind(0)) for gradient in gradients]
        finite = _finite(gradients)
        may = [good and m.trainer.update.may_step for good, m in zip(finite, members, strict=True)]
        clip(rows, [member.trainer.update.clip_norm for member in members])
        kept = [place for place, allowed in enumerate(may) if allowed]
        optimizer.step([numbers[place] for place in kept], [[row[place] for place in kept] for row in rows])
        for member, loss, allowed in zip(members, losses, may, strict=True):
            member.trainer.update.record(allowed)
            member.trainer.meters.add("train/loss", loss)
            member.trainer.count_step()


def _runs(steps: dict[int, Step]) -> Iterator[dict[int, Step]]:
    """The steps by members that are neighbours and have batches of one shape."""
    places = {number: number - place for place, number in enumerate(steps)}
    for _, same in groupby(steps, key=lambda number: (places[number], steps[number].data.shape)):
        yield {number: steps[number] for number in same}


def _finite(gradients: Sequence[Tensor]) -> list[bool]:
    """Of each member, whether all its gradients are finite."""
    # A sum takes a tenth of the time. It can overflow where all values are finite, so it is not the answer.
    if all(math.isfinite(gradient.sum().item()) for gradient in gradients):
        return [True] * len(gradients[0])
    finite = torch.stack([gradient.isfinite().all(dim=1) for gradient in gradients]).all(dim=0)
    return [bool(good) for good in finite.tolist()]


def clip(rows: Sequence[Sequence[Tensor]], most: Sequence[float | None]) -> None:
    """Scales each member's gradients so that their 2-norm is at most its own `most`.

    Args:
        rows: of each group of parameters, a row (P,) for each member; changed in place.
    """
    for own, limit in zip(zip(*rows, strict=True), most, strict=True):
        if limit is None:
            continue
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(row) for row in own]))
        scale = (limit / (norm + 1e-6)).clamp(max=1.0)  # as torch.nn.utils.clip_grad_norm_
        for row in own:
            row.mul_(scale)
