"""Hide labels: what a trainer makes of few labels and many unlabelled rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.table import Table
from harness.split.holdout_part import members
from harness.split.splittable_rows import classes

_BINS = 10
"""Of a number to predict, this many quantiles are labelled evenly."""


def hide(table: Table, fold: Fold, labelled: int | float, seed: int) -> Fold:
    """The fold with `labelled` of its training rows; the other training rows become unlabelled.

    The rows are drawn evenly: classes in proportion (largest remainder), each with at least one; a
    number to predict by tenths of its range of ranks; several targets by row. Valid and test rows
    keep their labels. The same seed and fold number give the same rows.

    Args:
        labelled: how many, an int; or which fraction, between 0 and 1.

    Raises:
        UserError: no such number of rows, or fewer than there are classes.
    """
    size = _size(table, fold, labelled)
    codes = _strata(table, fold.train, size)
    counts = np.bincount(codes)
    if size < len(counts):
        raise UserError(
            f"split.labelled={labelled} of {len(codes)} training rows keeps {size}, and each of the "
            f"{len(counts)} classes needs one",
            f"give split.labelled={len(counts)} or more",
            key="split.labelled",
        )
    rng = np.random.RandomState([seed, fold.number, 1])  # 1: not the numbers that cut the valid part
    order = rng.permutation(len(codes))
    shares = _shares(counts, size)
    kept = np.zeros(len(codes), dtype=bool)
    for own, share in zip(members(codes[order]), shares, strict=True):
        kept[order[own[:share]]] = True
    hidden = np.sort(np.concatenate([fold.unlabelled, fold.train[~kept]]))
    return replace(fold, train=fold.train[kept], unlabelled=hidden)


def _size(table: Table, fold: Fold, labelled: int | float) -> int:
    """How many training rows keep their labels."""
    if not table.target:
        raise UserError(
            f"split.labelled={labelled} hides labels, and data set {table.name} has none",
            "leave it out, or name them with data.extract.target=COLUMN",
            key="split.labelled",
        )
    if isinstance(labelled, float) and 0 < labelled < 1:
        return max(1, round(labelled * len(fold.train)))
    if isinstance(labelled, bool) or not float(labelled).is_integer() or labelled < 1:
        raise UserError(
            "split.labelled must be a number of rows, 1 or more, or a fraction between 0 and 1, got "
            f"{labelled}",
            key="split.labelled",
            value=labelled,
        )
    if labelled > len(fold.train):
        raise UserError(
            f"split.labelled={labelled} is more than the {len(fold.train)} labelled rows that fold "
            f"{fold.number} trains on",
            "lower it, or leave it out to keep every label",
            key="split.labelled",
        )
    return int(labelled)


def _strata(table: Table, train: np.ndarray, size: int) -> np.ndarray:
    """(n,) int64 codes 0 … S-1 of the training rows, every one of them taken."""
    if table.task.classification:
        return classes(table, train)[0]
    if table.task.several:
        return np.zeros(len(train), dtype=np.int64)
    ranks = pd.Series(table.labels.to_numpy()[train]).rank(method="first").to_numpy().astype(np.int64) - 1
    return ranks * min(size, _BINS) // len(train)


def _shares(counts: np.ndarray, size: int) -> np.ndarray:
    """(S,) int64: `size` rows by largest remainder, in proportion to `counts`, each at least one.

    A stratum whose quota is below one gets one, and the others share what is left.
    """
    small = np.zeros(len(counts), dtype=bool)
    while True:
        quotas = np.where(small, 1.0, counts * (size - small.sum()) / max(1, counts[~small].sum()))
        if (quotas >= 1).all():
            break
        small |= quotas < 1
    shares: np.ndarray = np.floor(quotas).astype(np.int64)
    order = np.argsort(-(quotas - shares), kind="stable")
    shares[order[: size - shares.sum()]] += 1
    return shares
