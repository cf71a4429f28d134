"""Cut a part off some rows: the rules by which every split makes its valid (or test) part."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from harness.core.errors import UserError

Part = Literal["test", "valid"]

_TRIES = 32
"""How often groups are tried in another order: enough to find a good choice among a dozen groups; of
thousands, any order finds one."""


def require_fraction(part: Part, fraction: float) -> None:
    """Raise ValueError unless `fraction` lies in [0, 1)."""
    if not 0 <= fraction < 1:
        raise ValueError(f"{part} must be 0 or more and less than 1, got {fraction}")


def require_seed(seed: int) -> None:
    """Raise ValueError unless NumPy's `RandomState` takes `seed`."""
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be between 0 and {2**32 - 1}, got {seed}")


def cut_rows(
    strata: np.ndarray, fraction: float, part: Part, rng: np.random.RandomState | None
) -> np.ndarray:
    """Choose `fraction` of the rows, evenly from every stratum.

    The part has round(fraction * n) rows, at least one. They are dealt out to the strata by
    largest remainder (Hamilton's method, ties at random), so each stratum gives its exact share
    rounded down or up; and each keeps a row, so that no class vanishes from what remains.

    Written here rather than taken from `StratifiedShuffleSplit`, which refuses parts with fewer
    rows than classes, and whose import takes a second before the first step of a default run.
    `RandomState` because NumPy promises never to change its numbers.

    Args:
        strata: (n,) int64 codes 0 … S-1; all zero for a cut without strata.
        fraction: in [0, 1); 0 chooses nothing.
        part: what the message calls the part.
        rng: which rows of a stratum are chosen; None takes the last ones.

    Returns:
        (n,) bool, true for the rows chosen.

    Raises:
        UserError: nothing would remain, or no stratum has a row to spare.
    """
    chosen = np.zeros(len(strata), dtype=bool)
    if fraction == 0:
        return chosen
    size = max(1, round(fraction * len(strata)))
    if size >= len(strata):
        raise UserError(
            f"split.{part}={fraction} of {len(strata)} rows leaves none to train on",
            f"give more rows, or lower split.{part}",
            key=f"split.{part}",
        )
    shares = _shares(np.bincount(strata), size, rng)
    if not shares.any():
        raise UserError(
            f"split.{part}={fraction} finds no class with a row to spare, as each has one row left to train "
            "on",
            f"give more rows, or set split.{part}=0",
            key=f"split.{part}",
        )
    for own, share in zip(members(strata), shares, strict=True):
        if rng is not None:
            own = rng.permutation(own)
        chosen[own[len(own) - share :]] = True
    return chosen


def cut_groups(
    groups: np.ndarray, fraction: float, part: Part, rng: np.random.RandomState | None
) -> np.ndarray:
    """Choose `fraction` of the groups, at least one, with all their rows.

    Args:
        groups: (n,) the group of each row.

    Returns:
        (n,) bool, true for the rows chosen.

    Raises:
        UserError: no group would remain.
    """
    codes, names = pd.factorize(groups)
    if fraction > 0 and max(1, round(fraction * len(names))) >= len(names):
        raise UserError(
            f"split.{part}={fraction} of the {len(names)} groups that are left to train on would take them "
            "all",
            f"set split.{part}=0, or give more groups",
            key=f"split.{part}",
        )
    chosen = cut_rows(np.zeros(len(names), dtype=np.int64), fraction, part, rng)
    rows: np.ndarray = chosen[codes]
    return rows


def cut_groups_in_proportion(
    groups: np.ndarray, strata: np.ndarray, fraction: float, part: Part, rng: np.random.RandomState | None
) -> np.ndarray:
    """Choose whole groups that together hold about `fraction` of every stratum.

    Greedy: each group in turn is chosen if that brings the shares of the strata nearer to `fraction`
    (sum of squares), and does not take the last row of a stratum. Of several random orders the one
    whose choice comes nearest is kept.

    Args:
        groups: (n,) the group of each row.
        strata: (n,) int64 codes 0 … S-1.
        rng: of the orders; None tries one, the last group first.

    Returns:
        (n,) bool, true for the rows chosen.

    Raises:
        UserError: every group is the only one of some stratum, so that none can be spared.
    """
    codes, names = pd.factorize(groups)
    if fraction == 0:
        return np.zeros(len(codes), dtype=bool)
    width = int(strata.max()) + 1
    counts = np.bincount(codes * width + strata, minlength=len(names) * width).reshape(-1, width)
    if rng is None:
        orders = np.arange(len(names))[::-1][None]
    else:
        orders = np.stack([rng.permutation(len(names)) for _ in range(_TRIES)])
    chosen = _nearest(counts[:, counts.any(axis=0)], orders, fraction)
    if not chosen.any():
        raise UserError(
            f"split.{part}={fraction} finds no group to spare, as each of the {len(names)} that are left to "
            "train on is the only one of a class",
            f"set split.{part}=0, or give more groups",
            key=f"split.{part}",
        )
    rows: np.ndarray = chosen[codes]
    return rows


def members(strata: np.ndarray) -> list[np.ndarray]:
    """The positions of each stratum, ascending: one sort instead of a pass per stratum."""
    counts = np.bincount(strata)
    narrow = strata.astype(np.min_scalar_type(len(counts)))  # which NumPy sorts by radix, up to 16 bits
    order = np.argsort(narrow, kind="stable")
    ends = np.cumsum(counts)
    return [order[end - count : end] for count, end in zip(counts, ends, strict=True)]


def _nearest(counts: np.ndarray, orders: np.ndarray, fraction: float) -> np.ndarray:
    """(G,) bool, the greedy choice of the best of `orders` (T, G); `counts` (G, S) are rows per stratum."""
    totals = counts.sum(axis=0)
    tries = np.arange(len(orders))
    taken = np.zeros((len(orders), len(totals)), dtype=np.int64)
    distance = np.full(len(orders), np.inf)  # so that the first group that may be spared is chosen
    chosen = np.zeros(orders.shape, dtype=bool)
    for groups in orders.T:
        more = taken + counts[groups]
        nearer = np.square(more / totals - fraction).sum(axis=1)
        better = (nearer < distance) & (more < totals).all(axis=1)
        taken[better], distance[better] = more[better], nearer[better]
        chosen[tries[better], groups[better]] = True
    best: np.ndarray = chosen[distance.argmin()]
    return best


def _shares(counts: np.ndarray, size: int, rng: np.random.RandomState | None) -> np.ndarray:
    """(S,) int64, how many of `size` rows each stratum gives; one row of each is never given."""
    quotas = counts * size / counts.sum()
    shares: np.ndarray = np.floor(quotas).astype(np.int64)
    order = np.arange(len(counts)) if rng is None else rng.permutation(len(counts))
    order = order[np.argsort(-(quotas - shares)[order], kind="stable")]
    spare = order[shares[order] < counts[order] - 1]
    shares[spare[: size - shares.sum()]] += 1
    return shares
