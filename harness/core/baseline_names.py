"""The names of baseline scores: `test/accuracy_baseline_majority` is a baseline of `test/accuracy`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

T = TypeVar("T")

BASELINES = {
    "majority": "always the most frequent class",
    "mean": "always the mean of the training rows",
    "random": "a network that was not trained",
    "raw": "the raw input",
    "scratch": "without the pre-training",
    "uncalibrated": "the same network without its temperature",
    "single_network": "the mean of the scores of the ensemble's single networks",
    "ensemble": "the mean prediction of the models that have not learned the row",
    "linear": "a linear model, fitted on the training rows",
    "boosting": "gradient boosting, fitted on the training rows",
}
"""The kinds of baselines in the order of a table's columns, and what each is. An evaluation of the user's may
have others."""

FITTED = {"linear": "a linear model", "boosting": "gradient boosting"}
"""Those that are fitted on the rows of each fold, in words."""

_TITLES = {
    "mean": "train mean",
    "single_network": "single network",
}  # `mean` beside folds would read as the mean over the folds

_MARK = "_baseline_"
_EARLIER = ("majority", "mean", "random", "raw", "scratch")


def baseline_name(score: str, kind: str) -> str:
    """Returns the name of a baseline: `accuracy` and `majority` give `accuracy_baseline_majority`."""
    return f"{score}{_MARK}{kind}"


def split_baseline(name: str) -> tuple[str, str] | None:
    """Returns the score and the kind of a baseline's name; None for any other name."""
    score, mark, kind = name.rpartition(_MARK)
    return (score, kind) if mark and score and kind else None


def shown_kind(kind: str) -> str:
    """Returns the name of a kind of baseline for a reader; files and `result.json` have the kind itself."""
    return _TITLES.get(kind, kind)


def baselines(score: str, names: Collection[str]) -> dict[str, str]:
    """Returns the baselines of a score among `names`: kind -> full name, in the order of `BASELINES`."""
    pairs = [(parts[1], name) for name in names if (parts := split_baseline(name)) and parts[0] == score]
    order = list(BASELINES)
    return dict(sorted(pairs, key=lambda one: order.index(one[0]) if one[0] in order else len(order)))


def kinds(scores: Collection[str], names: Collection[str]) -> list[str]:
    """Returns the kinds of the baselines that any of `scores` has among `names`."""
    present = {kind for score in scores for kind in baselines(score, names)}
    return [*(kind for kind in BASELINES if kind in present), *sorted(present - BASELINES.keys())]


def with_baseline_names(scores: Mapping[str, T]) -> dict[str, T]:
    """Returns scores of a stored run with today's names of baselines.

    Earlier versions wrote `test/accuracy_majority`. A run has either the earlier names or today's, so scores
    with one of today's are returned unchanged.
    """
    if any(split_baseline(name) for name in scores):
        return dict(scores)
    return {_renamed(name, scores): value for name, value in scores.items()}


def _renamed(name: str, scores: Collection[str]) -> str:
    score, _, kind = name.rpartition("_")
    return baseline_name(score, kind) if kind in _EARLIER and score in scores else name
