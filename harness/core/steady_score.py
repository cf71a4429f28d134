"""A validation score without the luck of one epoch: the mean over the epochs around the best one.

The best epoch is chosen by the validation rows, so the score at that epoch is the best of as many values as
there are epochs. Where it changes from epoch to epoch, as with a high learning rate, the best is far better
than the network, and a comparison of trainings by it prefers those that change most. The mean over the best
epoch and its neighbours moves little with the choice. Figures are in docs/log.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

SHARE = 0.1
"""The epochs on each side of the best one, as a share of those that were trained."""

_MARK = "_steady"


def steady_name(name: str) -> str:
    """`valid/rmse` gives `valid/rmse_steady`."""
    return f"{name}{_MARK}"


def plain_name(name: str) -> str:
    """`valid/rmse_steady` gives `valid/rmse`; any other name stays."""
    return name.removesuffix(_MARK)


def is_steady(name: str) -> bool:
    return name.endswith(_MARK)


def steady_scores(
    names: Iterable[str], history: Sequence[Mapping[str, float]], best: int
) -> dict[str, float]:
    """The steady scores of a training.

    Args:
        names: full names; those that are not steady are left out.
        history: the scores of each epoch, with its number as "epoch".
        best: the number of the best epoch.

    Returns:
        By name; NaN where no epoch near the best one has the score.
    """
    reach = max(1, round(SHARE * len(history)))
    near = [epoch for epoch in history if abs(epoch["epoch"] - best) <= reach]
    return {
        name: _mean([epoch.get(plain_name(name), math.nan) for epoch in near])
        for name in names
        if is_steady(name)
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return math.fsum(known) / len(known) if known else math.nan


def steady_sentence(name: str) -> str:
    """What a steady score is, for the screen."""
    return (
        f"{name} is the mean of {plain_name(name)} over the best epoch and its neighbours, "
        "so that no trial wins by one lucky epoch"
    )
