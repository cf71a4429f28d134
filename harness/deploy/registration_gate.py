"""The registration gate: conditions that a model's scores must meet before it is registered."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from harness.core.errors import UserError
from harness.core.near_names import near
from harness.core.scores import Direction
from harness.runs.run_result import Result

_SIGNS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_WRITTEN = re.compile(r"\s*(?P<score>[^<>=\s]+)\s*(?P<sign>>=|<=|>|<)\s*(?P<bound>[^<>=\s]+)\s*")


class Verdict(NamedTuple):
    """Whether a condition holds, and a line with the numbers."""

    passed: bool
    line: str


@dataclass(frozen=True)
class Condition:
    """A score and its bound.

    score  by its full name, such as test/accuracy
    sign   one of >= <= > <
    bound  a finite number
    """

    score: str
    sign: str
    bound: float

    def judge(self, scores: Mapping[str, float]) -> Verdict:
        """NaN fails every bound.

        Raises:
            UserError: there is no such score.
        """
        value = look_up(scores, self.score)
        kept = bool(_SIGNS[self.sign](value, self.bound))
        shown, _ = apart(value, self.bound)
        word = "and" if kept else "but"
        return Verdict(kept, f"{self.score} is {shown}, {word} must be {self.sign} {self.bound:.15g}")


def parse(word: str) -> Condition:
    """`test/accuracy>=0.97` as a condition.

    Raises:
        UserError: it is not a condition.
    """
    match = _WRITTEN.fullmatch(word)
    bound = math.nan if match is None else _number(match["bound"])
    if match is None or not math.isfinite(bound):
        raise UserError(
            f"--if needs a score, one of >= <= > < and a number, such as 'test/accuracy>=0.97', got {word!r}."
        )
    return Condition(match["score"], match["sign"], bound)


def scores_of(result: Result, fold: int | None = None) -> dict[str, float]:
    """A run's scores by name: their means over its folds, or those of one fold; NaN where undefined.

    Args:
        fold: its position among the folds, from 0.
    """
    if fold is None:
        scores = {name: summary["mean"] for name, summary in result.scores.items()}
    else:
        scores = {
            name: (summary["folds"] + [None] * (fold + 1))[fold] for name, summary in result.scores.items()
        }
    return {name: math.nan if value is None else float(value) for name, value in scores.items()}


def counterpart(scores: Mapping[str, float], monitored: str | None, by: str | None) -> str:
    """The score to compare two models by: the given one, else the monitored score on test rows.

    Raises:
        UserError: the run has no such score.
    """
    if by is not None:
        look_up(scores, by)
        return by
    name = f"test/{(monitored or '').rpartition('/')[2]}"
    if name not in scores:
        tested = [score for score in scores if score.startswith("test/")]
        raise UserError(
            f"the run has no {name}, by which it would be compared",
            f"name another score with --by: {near('', tested)}",
        )
    return name


def better(score: str, ours: float, theirs: float, direction: Direction, rival: str) -> Verdict:
    """Whether ours is strictly better; False if either is NaN.

    Args:
        rival: the text for the owner of `theirs`.
    """
    passed = ours < theirs if direction == "minimize" else ours > theirs
    own, other = apart(ours, theirs)
    word = "lower" if direction == "minimize" else "higher"
    return Verdict(passed, f"{score} is {own}, {'' if passed else 'not '}{word} than the {other} of {rival}")


def look_up(scores: Mapping[str, float], name: str) -> float:
    """A score of a run.

    Raises:
        UserError: there is no such score.
    """
    if name not in scores:
        raise UserError(f"{name} is no score of the run", near(name, scores))
    return scores[name]


def apart(value: float, other: float) -> tuple[str, str]:
    """Two numbers with as many digits, at least four, as needed to show a difference."""
    for digits in range(4, 17):
        texts = f"{value:.{digits}g}", f"{other:.{digits}g}"
        if value == other or texts[0] != texts[1]:
            return texts
    return repr(value), repr(other)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
