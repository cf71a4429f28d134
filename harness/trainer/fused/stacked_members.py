"""The members of a group that train now: their stacked tensors, and their steps."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from time import perf_counter
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from harness.runtime.out_of_memory import is_out_of_memory
from harness.trainer.fused.flat_members import FlatMembers
from harness.trainer.fused.fused_member import Member
from harness.trainer.fused.fused_optimizer import FusedOptimizer
from harness.trainer.fused.fused_step import Computed, FusedStep
from harness.trainer.fused.step_parts import form_of
from harness.trainer.step_meters import JointMeters

_log = logging.getLogger(__name__)

_HALVED = "a step of %d trainings did not fit into the memory; from now on at most %d are computed at once"


class Step(NamedTuple):
    """The input of one member's step: what its trainer's `unpack` gave, and the form of that (`form_of`).

    masks  of dropout, where they are drawn already
    """

    parts: Any
    form: tuple[Any, ...]
    masks: tuple[Tensor, ...] | None = None


class _Stack(NamedTuple):
    """Consecutive members whose tensors are one; `first` is the number of the first of them."""

    first: int
    step: FusedStep
    optimizer: FusedOptimizer


@final
class StackedMembers:
    """Members that advance together, in an order in which those with equal batches are neighbours.

    Where a step does not fit into the memory, half as many members are stacked and computed at once from
    then on. The step is computed again with the same random numbers, so that nothing is lost, and a member
    has the same bits in a stack of any size. One that does not fit alone fails.

    most  members in a stack at most, a power of two
    """

    def __init__(self, members: Sequence[Member], most: int) -> None:
        self._members = members
        self._stacks: dict[int, _Stack] = {}
        self._meters: dict[tuple[int, int], JointMeters] = {}
        self.most = most

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
                self._take(together)
            running = [n for n in steps if self._may_go_on(self._members[n])]
            stopping = bool(steps) and stop()
            if steps and (stopping or due()):
                begun = self._share_time(begun)
                yield stopping
                if stopping:
                    return
                begun = perf_counter()
        self._share_time(begun)

    @staticmethod
    def _may_go_on(member: Member) -> bool:
        return member.failure is None and not member.trainer.budget_used

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
        parts = member.unpack(batch)
        return Step(parts, form_of(parts))

    def _take(self, steps: dict[int, Step]) -> None:
        """One optimizer step of consecutive members with parts of one form."""
        waiting = dict(steps)
        while waiting:
            chunk = next(iter(waiting)) // self.most
            some = {n: step for n, step in waiting.items() if n // self.most == chunk}
            found: Computed | None = None
            try:
                stack = self._stack(chunk, some)
                found = self._computed(stack, some, waiting)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if len(some) == 1:
                    self._members[next(iter(some))].failure = error
            # Not in the handler: the error holds what did not fit.
            if found is not None:
                self._update(stack, list(some), found)
            elif len(some) > 1:
                self.most = _halved(len(some))
                _log.warning(_HALVED, len(some), self.most)
                self._stacks.clear()
                continue
            for number in some:
                del waiting[number]

    def _stack(self, chunk: int, steps: dict[int, Step]) -> _Stack:
        """The members of chunk 0, 1, …, each of `most` at most, of which some take these steps."""
        if chunk not in self._stacks:
            first = chunk * self.most
            members = self._members[first : first + self.most]
            leader = members[0]
            own = next(iter(steps.values()))
            unused = leader.trace(own.parts).unused
            trainers = [member.trainer for member in members]
            flat = FlatMembers(trainers, unused)
            step = FusedStep(leader.trainer, flat, [member.dropout for member in members])
            self._stacks[chunk] = _Stack(first, step, FusedOptimizer(trainers, flat))
        return self._stacks[chunk]

    def _computed(self, stack: _Stack, steps: dict[int, Step], waiting: dict[int, Step]) -> Computed:
        """Losses and gradients of these members.

        Args:
            waiting: gets the masks that are drawn, so that a second try has the same.
        """
        numbers, own = list(steps), list(steps.values())
        first = numbers[0] - stack.first
        if own[0].masks is None:
            generators = [self._members[number].random.generator for number in numbers]
            masks = stack.step.draw(first, own[0].parts, generators)
            for place, number in enumerate(numbers if masks else ()):
                waiting[number] = steps[number]._replace(masks=tuple(mask[place] for mask in masks))
        else:
            masks = [torch.stack(same) for same in zip(*(one.masks or () for one in own), strict=True)]
        return stack.step(first, [one.parts for one in own], masks)

    def _update(self, stack: _Stack, numbers: list[int], found: Computed) -> None:
        """The weights of these members by their gradients."""
        members = [self._members[number] for number in numbers]
        rows = [list(gradient.unbind(0)) for gradient in found.gradients]
        finite = _finite(found.gradients)
        may = [good and m.trainer.update.may_step for good, m in zip(finite, members, strict=True)]
        clip(rows, [member.trainer.update.clip_norm for member in members])
        kept = [place for place, allowed in enumerate(may) if allowed]
        places = [numbers[place] - stack.first for place in kept]
        stack.optimizer.step(places, [[row[place] for place in kept] for row in rows])
        meters = self._meters_of(numbers)
        for noted in found.noted:
            meters.add(*noted)
        meters.add("train/loss", found.losses)
        for member, allowed in zip(members, may, strict=True):
            member.trainer.update.record(allowed)
            member.trainer.count_step()

    def _meters_of(self, numbers: list[int]) -> JointMeters:
        together = numbers[0], len(numbers)  # they are consecutive
        if together not in self._meters:
            self._meters[together] = JointMeters([self._members[n].trainer.meters for n in numbers])
        return self._meters[together]


def _halved(count: int) -> int:
    """The largest power of two that is at most half: smaller stacks then lie within the larger ones."""
    return 1 << ((count // 2).bit_length() - 1)


def _runs(steps: dict[int, Step]) -> Iterator[dict[int, Step]]:
    """The steps by members that are neighbours and have parts of one form."""
    places = {number: number - place for place, number in enumerate(steps)}
    for _, same in groupby(steps, key=lambda number: (places[number], steps[number].form)):
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
