"""Scores of one part of the data, and which direction is better."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np

from harness.core.baseline_names import split_baseline
from harness.core.steady_score import plain_name

Direction = Literal["minimize", "maximize"]

_LOWER_IS_BETTER = ("loss", "rmse", "mae", "mse", "ece", "error", "seconds", "parameters")


NONE_DECLARED: Mapping[str, Direction] = MappingProxyType({})


def direction(name: str, declared: Mapping[str, Direction] = NONE_DECLARED) -> Direction:
    """Whether a score such as `valid/rmse` is better low or high.

    Args:
        declared: the directions of the user's own metrics, by plain name; any other score's direction
            follows from the words of its name.
    """
    plain = name.rsplit("/", 1)[-1]
    compared = split_baseline(plain)
    for own in (plain, plain.removesuffix("_pooled"), plain_name(plain), *(compared or ())[:1]):
        if own in declared:
            return declared[own]
    words = plain.split("_")
    return "minimize" if any(word in _LOWER_IS_BETTER for word in words) else "maximize"


_SHARES = ("accuracy", "f1", "auroc", "ece", "match")
_FROM_ZERO = ("rmse", "mae", "mse", "log", "seconds", "parameters")

UNLIMITED = (-math.inf, math.inf)


def score_range(name: str) -> tuple[float, float]:
    """The least and the greatest value that a score such as `test/accuracy` can have, by its name's words.

    A trainer's own `loss` may have any value, and so may a user's metric whose name says nothing.
    """
    words = name.rsplit("/", 1)[-1].split("_")
    if any(word in _SHARES for word in words):
        return 0.0, 1.0
    if "r2" in words:
        return -math.inf, 1.0
    return (0.0, math.inf) if any(word in _FROM_ZERO for word in words) else UNLIMITED


def repeated_loss(names: Collection[str], shown: Callable[[str], object], kept: str = "") -> dict[str, str]:
    """Returns each `…/loss` that is printed like a `…/log_loss`, with that: a reader needs one of them.

    Args:
        names: of the scores.
        shown: the values of a score as they are printed.
        kept: a score that is never returned, such as the objective.
    """
    pairs = [(name, name.removesuffix("loss") + "log_loss") for name in names if name.endswith("/loss")]
    return {
        loss: twin for loss, twin in pairs if loss != kept and twin in names and shown(loss) == shown(twin)
    }


@dataclass(frozen=True)
class Scores:
    """What an evaluation found on one part.

    values     by plain name ("accuracy", "accuracy_baseline_majority" …), without the part's prefix
    confusion  (C, C) int64 counts, true class by row, or None
    """

    values: dict[str, float]
    confusion: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=())
