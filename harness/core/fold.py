"""A fold: the rows that train, validate and test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

PART_CODES = {"train": 1, "valid": 2, "test": 3, "unlabelled": 4}
"""The parts of a fold as numbers, in `folds.npz` of a run; 0 is a row in no part."""


def _none() -> np.ndarray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Network:
    """The place of a training in the ensemble that is trained for one fold (`split.ensemble`).

    number  which of the networks, 0-based
    count   how many there are
    fold    the fold as the split gave it, whose training and validation rows the networks share
    """

    number: int
    count: int
    fold: Fold


@dataclass(frozen=True)
class Fold:
    """Disjoint row positions of one table, each array int64, sorted, without repeats.

    `unlabelled` rows carry no target, or one that the split hides; they reach the
    semi-supervised and contrastive trainers and no other. Test rows are seen by no fitting,
    early stopping, tuning or augmentation. Folds of a nested split that share their test rows have
    the same number `outer`, and so have the networks of an ensemble; elsewhere it is None. `network` is None
    where the fold trains one network.
    """

    number: int
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    unlabelled: np.ndarray = field(default_factory=_none)
    outer: int | None = None
    network: Network | None = None

    @property
    def place(self) -> int:
        """The position among the folds of the run; the networks of an ensemble have that of their fold."""
        return self.number if self.network is None else self.number // self.network.count

    @property
    def last_network(self) -> bool:
        """Whether no further network of the same fold follows."""
        return self.network is None or self.network.number == self.network.count - 1

    @property
    def names(self) -> dict[str, int]:
        """The number of the fold; of a network of an ensemble those of "fold" and "network"."""
        if self.network is None:
            return {"fold": self.number}
        return {"fold": self.network.fold.number, "network": self.network.number}

    @property
    def label(self) -> str:
        """`fold 3`, or `fold 0 network 3`."""
        return " ".join(f"{part} {number}" for part, number in self.names.items())

    def with_unlabelled_in_training(self) -> Fold:
        """The same fold for a trainer that needs no labels: the unlabelled rows train as well."""
        train = np.union1d(self.train, self.unlabelled)
        return replace(self, train=train, unlabelled=_none()) if len(self.unlabelled) else self

    def parts(self) -> Iterator[tuple[str, np.ndarray]]:
        """The parts that have rows, by name."""
        for name in ("train", "valid", "test", "unlabelled"):
            rows: np.ndarray = getattr(self, name)
            if len(rows):
                yield name, rows


def first_folds(folds: Sequence[Fold], most: int | None) -> list[Fold]:
    """The first folds, all of them with None; of an ensemble each with all of its networks."""
    places = list(dict.fromkeys(fold.place for fold in folds))[:most]
    return [fold for fold in folds if fold.place in places]


def count_folds(folds: Sequence[Fold]) -> int:
    """How many folds there are; the networks of an ensemble are one."""
    return len({(fold.network is None, fold.place) for fold in folds})


def networks_of(folds: Sequence[Fold]) -> int | None:
    """How many networks each fold has; None where a fold trains one."""
    return None if not folds or folds[0].network is None else folds[0].network.count
