"""The scores that a sweep improves, and their values in a trial's runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from harness.core.errors import UserError
from harness.core.near_names import near
from harness.core.scores import NONE_DECLARED, Direction, direction
from harness.runs.run_result import Result
from harness.sweep.study.snapshot import Objective

PREFIXES = ("valid", "train", "model", "time")
"""What a sweep may look at; test rows are not among it."""

_DIRECTIONS = ("minimize", "maximize")


class UndefinedScore(Exception):
    """A score that a sweep needs came out as NaN or infinite; the trial has failed."""


def read_objectives(
    value: str | Sequence[str] | Mapping[str, str] | None,
    monitor: str,
    declared: Mapping[str, Direction] = NONE_DECLARED,
) -> tuple[Objective, ...]:
    """The objectives that `sweep.objectives` names.

    Args:
        value: a score, a list of them, or a mapping from each to "minimize" or "maximize"; without a mapping
            the direction follows from the name. None: `monitor`.
        monitor: `trainer.monitor`.
        declared: the directions of the user's own metrics, by plain name.

    Raises:
        UserError: none at all, one twice, one of the test part, or no score by its form.
    """
    if value is None:
        return (Objective(monitor, direction(monitor, declared)),)
    if isinstance(value, str):
        value = [value]
    ways = value if isinstance(value, Mapping) else {}
    names = list(value)
    if not names:
        raise UserError(
            "sweep.objectives must name a score or more, got none",
            "leave it out, and it is trainer.monitor",
            key="sweep.objectives",
        )
    for position, name in enumerate(names):
        check_name(name, "sweep.objectives")
        if name in names[:position]:
            raise UserError(f"sweep.objectives names {name} twice", "name it once", key="sweep.objectives")
    return tuple(Objective(name, _way(name, ways, declared)) for name in names)


def _way(name: str, ways: Mapping[str, str], declared: Mapping[str, Direction]) -> Direction:
    way = ways.get(name, direction(name, declared))
    if way not in _DIRECTIONS:
        raise UserError(
            f"sweep.objectives.{name} must be minimize or maximize, got {way}",
            key=f"sweep.objectives.{name}",
            value=way,
        )
    return cast("Direction", way)


def check_name(name: Any, key: str) -> None:
    """Whether `name` has the form of a score that a sweep may look at.

    Raises:
        UserError: it is of the test part, or of no part; names `key`.
    """
    part, slash, rest = str(name).partition("/")
    if part == "test" and slash:
        raise UserError(
            f"{key} must leave the test part alone, so that no choice rests on test rows, got {name}",
            f"use valid/{rest}",
            key=key,
        )
    if part not in PREFIXES or not rest:
        plain = str(name).rpartition("/")[2]
        raise UserError(
            f"{key} must be a score valid/…, train/…, model/… or time/…, got {name}",
            f"did you mean valid/{plain}?",
            key=key,
        )


def values(objectives: Iterable[Objective], results: Sequence[Result]) -> tuple[float, ...]:
    """Returns the value of each objective: its mean over folds, then over the runs of the trial.

    Raises:
        UserError: a run has no such score.
        Undefined: it is NaN or infinite.
    """
    return tuple(mean_score(objective.name, results, "sweep.objectives") for objective in objectives)


def mean_score(name: str, results: Sequence[Result], key: str) -> float:
    """A score's mean over folds and runs, for the setting `key`.

    Raises:
        UserError: a run has no such score.
        Undefined: it is NaN or infinite.
    """
    means = []
    for result in results:
        if name not in result.scores:
            known = [score for score in result.scores if not score.startswith("test/")]
            raise UserError(f"{key}: the trial has no score {name}", near(name, known), key=key)
        mean = result.scores[name]["mean"]
        if mean is None or not math.isfinite(mean):  # a result read from its file has None for both
            shown = "undefined" if mean is None else mean
            raise UndefinedScore(f"{name} is {shown}, and {key} needs a number.")
        means.append(float(mean))
    return math.fsum(means) / len(means)
