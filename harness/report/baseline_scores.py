"""The baselines that stand beside a score."""

from __future__ import annotations

from collections.abc import Mapping

BASELINES = {
    "majority": "always the most frequent class",
    "mean": "always the mean of the training rows",
    "random": "a network that was not trained",
    "raw": "the raw input",
    "scratch": "without the pre-training",
}
"""The endings of baseline scores, and what each baseline is."""


def baselines(scores: Mapping[str, object], name: str) -> dict[str, str]:
    """The baselines of a score: ending -> full name."""
    return {ending: f"{name}_{ending}" for ending in BASELINES if f"{name}_{ending}" in scores}
