"""Ensembles: the training and validation rows of a fold are dealt, and a network validates by each part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.core.errors import UserError
from harness.core.fold import Fold, Network
from harness.core.table import Table
from harness.split.fold_rounds import MOST_FOLDS
from harness.split.group_rows import group_codes, without_held_out_groups
from harness.split.splittable_rows import strata

_STREAM = 2
"""Numbers of a generator apart from those that cut the valid part, and that hide labels."""


def with_networks(
    table: Table, folds: Sequence[Fold], networks: int, *, grouped: bool, shuffle: bool, seed: int
) -> list[Fold]:
    """Each fold as many as there are networks, numbered through: k-fold bagging.

    The training and validation rows of a fold are dealt into as many parts; network i validates by part i and
    trains on the others, and all of them test the rows of the fold (Breiman 1996, Machine Learning
    24:123-140; with out-of-fold validation as in AutoGluon-Tabular, arXiv 2003.06505). Classes are in
    proportion in every part, within one row.

    Args:
        networks: of each fold, 2 or more.
        grouped: whether a group is never divided.
        shuffle: False deals the rows of each class in their order, as blocks.
        seed: of the shuffle; each fold has a generator of its own, so that it is dealt alone as among all.

    Raises:
        UserError: a fold has fewer rows or groups than networks, or the trainings are too many.
    """
    if len(folds) * networks > MOST_FOLDS:
        raise UserError(
            f"split.ensemble={networks} makes {len(folds) * networks} trainings of {len(folds)} folds, and "
            f"{MOST_FOLDS} are the most",
            "lower it, or choose a split of fewer folds",
            key="split.ensemble",
        )
    groups = group_codes(table) if grouped else None
    return [
        one
        for place, fold in enumerate(folds)
        for one in _networks(table, fold, place, networks, groups, shuffle, seed)
    ]


def _networks(
    table: Table,
    fold: Fold,
    place: int,
    networks: int,
    groups: np.ndarray | None,
    shuffle: bool,
    seed: int,
) -> list[Fold]:
    rows = np.sort(np.concatenate([fold.train, fold.valid]))
    codes = strata(table, rows, stratify=True)
    rng = np.random.RandomState([seed, fold.number, _STREAM]) if shuffle else None
    if groups is None:
        _require(len(rows), networks, fold, "rows")
        parts = deal_rows(codes, networks, rng)
    else:
        _require(len(np.unique(groups[rows])), networks, fold, "groups")
        parts = deal_groups(groups[rows], codes, networks, rng)
    made = []
    for number in range(networks):
        own = Fold(
            place * networks + number,
            rows[parts != number],
            rows[parts == number],
            fold.test,
            fold.unlabelled,
            fold.number,
            Network(number, networks, fold),
        )
        made.append(own if groups is None else without_held_out_groups(own, groups))
    return made


def _require(count: int, networks: int, fold: Fold, what: str) -> None:
    if count < networks:
        raise UserError(
            f"split.ensemble={networks} needs as many {what} to train and validate by, and fold "
            f"{fold.number} has {count}",
            "lower split.ensemble",
            key="split.ensemble",
        )


def deal_rows(strata: np.ndarray, parts: int, rng: np.random.RandomState | None) -> np.ndarray:
    """(n,) int64, the part of each row: every part has the strata in proportion, within one row.

    Args:
        strata: (n,) int64 codes.
        parts: at most n.
        rng: of the order; None deals the rows of each stratum in their order, as blocks.
    """
    dealt = np.empty(len(strata), dtype=np.int64)
    if rng is None:
        order = np.argsort(strata, kind="stable")
        _, first, counts = np.unique(strata[order], return_index=True, return_counts=True)
        for start, count in zip(first, counts, strict=True):
            # Small strata begin where the one before ended, so that no part stays empty.
            block = np.arange(count) + start if count < parts else np.arange(count) * parts // count
            dealt[order[start : start + count]] = block % parts
        return dealt
    order = rng.permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    dealt[order] = rng.permutation(parts)[np.arange(len(strata)) % parts]
    return dealt


def deal_groups(
    groups: np.ndarray, strata: np.ndarray, parts: int, rng: np.random.RandomState | None
) -> np.ndarray:
    """(n,) int64, the part of each row: whole groups, with rows and strata as even as they allow.

    Groups are dealt from the largest to the smallest, each to the part that has least of what the group has
    (the part whose sum of squared shares grows least).

    Args:
        groups: (n,) the group of each row.
        strata: (n,) int64 codes.
        parts: at most as many as there are groups.
        rng: of the order among groups of one size; None: that of their codes.
    """
    codes, names = pd.factorize(groups, sort=True)
    width = int(strata.max()) + 1
    counts = np.bincount(codes * width + strata, minlength=len(names) * width).reshape(-1, width)
    counts = np.concatenate([counts, counts.sum(axis=1, keepdims=True)], axis=1).astype(np.float64)
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    order = np.arange(len(names)) if rng is None else rng.permutation(len(names))
    order = order[np.argsort(-counts[order, -1], kind="stable")]
    taken = np.zeros((parts, width + 1))
    part_of = np.empty(len(names), dtype=np.int64)
    for group in order:
        part = int((taken @ shares[group]).argmin())
        part_of[group] = part
        taken[part] += shares[group]
    dealt: np.ndarray = part_of[codes]
    return dealt
