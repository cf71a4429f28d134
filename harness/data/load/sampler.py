"""Samplers: which rows an epoch of training takes, where it is not every row once."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from harness.core.errors import UserError


class Sampler(Protocol):
    """Draws the rows of an epoch by their classes.

    Random numbers come from torch's global CPU generator alone, so that a resumed training continues
    as it would have gone. One that draws by class never draws a row without one (code -1).
    """

    def sizes(self, codes: Tensor, batch_size: int) -> list[int] | None:
        """How many rows each batch of an epoch has, the same in every epoch.

        None: `rows(codes)` of them in batches of `batch_size`, as in a shuffled epoch.

        Args:
            codes: (n,) int64, the class of each training row, -1 where it has none.
            batch_size: that of the loader.

        Raises:
            UserError: these rows cannot be sampled so.
        """
        ...

    def length(self, codes: Tensor) -> int:
        """How many rows an epoch has, repeated ones counted as often as they come."""
        ...

    def draw(self, codes: Tensor) -> Tensor:
        """(length,) int64, positions in `codes` in the order of the epoch."""
        ...


class Shuffle:
    """Every row once, in a new order: what a loader does without a sampler."""

    def sizes(self, codes: Tensor, batch_size: int) -> None:
        """None: batches of `batch_size`."""

    def length(self, codes: Tensor) -> int:
        return len(codes)

    def draw(self, codes: Tensor) -> Tensor:
        return torch.randperm(len(codes))


class ClassBalanced:
    """Every class equally often, so that a rare one counts as much as a frequent one.

    Args:
        replacement: true: each row of an epoch is drawn from a class that is drawn first, and an
            epoch has as many rows as the training part has with a class; some rows come twice, some
            not at all. False: the rows of each class are repeated until it has as many as the
            largest one; an epoch has classes times that many rows, and every row is in it.
    """

    def __init__(self, *, replacement: bool) -> None:
        self.replacement = replacement

    def sizes(self, codes: Tensor, batch_size: int) -> None:
        """None: batches are as large as in a shuffled epoch.

        Raises:
            UserError: no row has a class.
        """
        _require_classes(codes)

    def length(self, codes: Tensor) -> int:
        members = _members(codes)
        if self.replacement:
            return sum(map(len, members))
        return len(members) * max(map(len, members))

    def draw(self, codes: Tensor) -> Tensor:
        members, length = _members(codes), self.length(codes)
        if not self.replacement:
            drawn = torch.cat([_cycled(rows, length // len(members)) for rows in members])
            return drawn[torch.randperm(length)]
        counts = torch.tensor([len(rows) for rows in members])
        chosen = torch.randint(len(members), (length,))
        # A fraction of the class's count, in double precision: exact for any table that fits in memory.
        within = (torch.rand(length, dtype=torch.float64) * counts[chosen]).long()
        starts = torch.cumsum(counts, 0) - counts
        return torch.cat(members)[starts[chosen] + within]


class ClassSamples:
    """P classes times K rows in every batch, as losses on pairs and triplets want them.

    Classes come in rounds, each class once per round, and so do the rows of a class. An epoch has as
    many batches as the rows with a class fill, at least one. Known as PK sampling (arXiv 1703.07737,
    section 2).

    Args:
        classes_per_batch: P, at most the classes of the training rows.
        samples_per_class: K; a class with fewer rows repeats them.
    """

    def __init__(self, *, classes_per_batch: int, samples_per_class: int) -> None:
        for name, value in (
            ("classes_per_batch", classes_per_batch),
            ("samples_per_class", samples_per_class),
        ):
            if value < 1:
                raise ValueError(f"{name} must be 1 or more, got {value}")
        self.classes, self.samples = classes_per_batch, samples_per_class

    def sizes(self, codes: Tensor, batch_size: int) -> list[int]:
        """Raises UserError: P * K is not the batch's size, or there are fewer than P classes."""
        _require_classes(codes)
        if self.classes * self.samples != batch_size:
            raise UserError(
                f"data.load.batch_size must be classes_per_batch * samples_per_class = {self.classes} * "
                f"{self.samples}, got {batch_size}",
                f"set data.load.batch_size={self.classes * self.samples}",
                key="data.load.batch_size",
            )
        present = len(_members(codes))
        if present < self.classes:
            raise UserError(
                f"a batch of {self.classes} classes cannot be drawn from training rows of {present}",
                "set "
                f"data.load.sampler.classes_per_batch={present} and data.load.batch_size to "
                f"{present} * samples_per_class",
                key="data.load.sampler.classes_per_batch",
            )
        return [batch_size] * (self.length(codes) // batch_size)

    def length(self, codes: Tensor) -> int:
        size = self.classes * self.samples
        return max(1, int((codes >= 0).sum()) // size) * size

    def draw(self, codes: Tensor) -> Tensor:
        members = _members(codes)
        batches = self.length(codes) // (self.classes * self.samples)
        rounds = _rounds(len(members), self.classes, batches)
        uses = torch.bincount(rounds.flatten(), minlength=len(members)).tolist()
        stock = [iter(self._portions(rows, used)) for rows, used in zip(members, uses, strict=True)]
        return torch.cat([next(stock[label]) for label in rounds.flatten().tolist()])

    def _portions(self, rows: Tensor, count: int) -> Tensor:
        """(count, K) of a class's rows, none twice in a portion where there are enough."""
        if len(rows) < self.samples:
            return _cycled(rows, count * self.samples).reshape(count, self.samples)
        return rows[_rounds(len(rows), self.samples, count)]


def _require_classes(codes: Tensor) -> None:
    if (codes < 0).all():
        raise UserError(
            "data.load.sampler draws rows by their class, and no training row has one",
            "set data/load/sampler=shuffle, or name the column of classes with data.extract.target=COLUMN",
            key="data.load.sampler",
        )


def _members(codes: Tensor) -> list[Tensor]:
    """The positions of each class that has any, in the order of their codes."""
    order = torch.argsort(codes, stable=True)
    counts = torch.unique_consecutive(codes[order], return_counts=True)[1].tolist()
    parts = torch.split(order, counts)
    return [part for part in parts if codes[part[0]] >= 0]


def _cycled(rows: Tensor, count: int) -> Tensor:
    """`count` of the rows: all of them in a new order, again and again."""
    if not count:
        return rows[:0]
    passes = [rows[torch.randperm(len(rows))] for _ in range(-(-count // len(rows)))]
    return torch.cat(passes)[:count]


def _rounds(members: int, per_round: int, rounds: int) -> Tensor:
    """(rounds, per_round) of 0 … members - 1, none twice in a round, all equally often up to one round."""
    left: list[int] = []
    drawn = []
    for _ in range(rounds):
        taken, left = left[:per_round], left[per_round:]
        if len(taken) < per_round:
            fresh = torch.randperm(members).tolist()
            added = [member for member in fresh if member not in taken][: per_round - len(taken)]
            left = [member for member in fresh if member not in added]
            taken = taken + added
        drawn.append(taken)
    return torch.tensor(drawn, dtype=torch.int64).reshape(rounds, per_round)
