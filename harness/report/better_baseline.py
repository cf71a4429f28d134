"""The sentence that says when a fitted baseline is as good as the network."""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.console.text_format import number
from harness.core.baseline_names import FITTED, baseline_name
from harness.core.scores import direction
from harness.runs.run_result import Summary

_PREFERRED = ("accuracy", "rmse")
_ORDER = "auroc"
_LEAST = 0.01
"""How far a baseline must be ahead in the order of the rows, where that is not the monitored score."""


def not_better(scores: Mapping[str, Summary], monitor: str, folds: int) -> str:
    """One sentence about the best fitted baseline where the network is not better; else "".

    Where a class is rare, a network can have the best accuracy and still order the rows worse: a baseline
    that is ahead by .01 in AUROC is named too.

    Args:
        monitor: the full name of the score that chooses the epoch; its test score counts, or that of the
            validation rows without a test part. For a score that baselines do not have, accuracy or RMSE.
    """
    part = "test" if any(name.startswith("test/") for name in scores) else "valid"
    wanted = (monitor.partition("/")[2], *_PREFERRED)
    chosen = next((name for name in wanted if _baselines(scores, f"{part}/{name}")), None)
    if chosen is None:
        return ""
    sentence = _sentence(scores, f"{part}/{chosen}", folds, 0.0)
    if not sentence and _baselines(scores, f"{part}/{_ORDER}"):
        sentence = _sentence(scores, f"{part}/{_ORDER}", folds, _LEAST)
    return sentence


def _baselines(scores: Mapping[str, Summary], score: str) -> list[str]:
    """The fitted baselines that have this score, if the network has it."""
    return [name for name in FITTED if score in scores and baseline_name(score, name) in scores]


def _sentence(scores: Mapping[str, Summary], score: str, folds: int, least: float) -> str:
    """What the best baseline reaches, if it is ahead of the network by `least` or more; else ""."""
    lower = direction(score) == "minimize"
    known = _baselines(scores, score)
    best = (min if lower else max)(known, key=lambda name: _mean(scores, baseline_name(score, name), lower))
    other = scores[baseline_name(score, best)]
    gap = (other.get("difference") or {}).get("mean")
    if gap is None or math.isnan(gap) or (-gap if lower else gap) < least:
        return ""
    where = "these folds" if folds > 1 else f"the same {score.partition('/')[0]} rows"
    distance = (
        "as the network"
        if gap == 0
        else f"{number(abs(gap))} {'less' if gap < 0 else 'more'} than the network"
    )
    sentence = f"{FITTED[best]} reaches {score} {number(other['mean'])} on {where}, {distance}"
    ends = other["difference"].get("ci95")
    if gap and ends is not None and None not in ends:
        low, high = sorted(math.copysign(1.0, gap) * end for end in ends)
        sentence += f" (95 % interval {number(low)} to {number(high)})"
    return sentence


def _mean(scores: Mapping[str, Summary], name: str, lower: bool) -> float:
    mean = scores[name]["mean"]
    worst = math.inf if lower else -math.inf
    return worst if mean is None or math.isnan(mean) else float(mean)
