"""Constraints on scores that must hold for a trial to be chosen, such as `model/parameters <= 100000`.

A trial that breaks one is complete, and is never the best. TPE, GP and NSGA-II keep away from such points by
Optuna's own rules, for which each constraint becomes a number that is at most 0 where it holds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from harness.core.errors import UserError
from harness.runs.run_result import Result
from harness.sweep.study.objectives import check_name, mean_score

NameCheck = Callable[[str, str], object]

Relation = Literal["<=", "<", ">=", ">"]

_FORM = re.compile(r"\s*(?P<name>[^\s<>=]+)\s*(?P<relation><=|>=|<|>)\s*(?P<bound>[^\s<>=]+)\s*")
_KEY = "sweep.constraints"


@dataclass(frozen=True)
class Constraint:
    """A score that must be at most, or at least, `bound`; with < and > not equal to it either."""

    name: str
    relation: Relation
    bound: float

    @property
    def text(self) -> str:
        """What a person would type."""
        return f"{self.name} {self.relation} {self.bound:.12g}"

    def violation(self, score: float) -> float:
        """How far a score is beyond the bound, at most 0 where the constraint holds.

        As a share of the bound, unless that is 0: samplers add up what a trial violates, and a count of
        parameters must not drown an error rate.
        """
        over = score - self.bound if self.relation[0] == "<" else self.bound - score
        if over == 0 and self.relation in ("<", ">"):
            return math.ulp(0.0)  # the least that is above 0
        return over / abs(self.bound) if self.bound else over


def read_constraints(texts: Sequence[str], names: NameCheck = check_name) -> list[Constraint]:
    """The constraints of `sweep.constraints`.

    Args:
        names: called with the name of each score and the setting's key; refuses a wrong name.

    Raises:
        UserError: one has not the form `score <= number`, uses a test score, or is given twice.
    """
    constraints: list[Constraint] = []
    for text in texts:
        constraint = _read(text, names)
        if constraint in constraints:
            raise UserError(f"{_KEY} holds {constraint.text} twice", "give it once", key=_KEY)
        constraints.append(constraint)
    return constraints


def _read(text: str, names: NameCheck) -> Constraint:
    match = _FORM.fullmatch(str(text))
    bound = math.nan if match is None else _number(match["bound"])
    if match is None or not math.isfinite(bound):
        raise UserError(
            f"{_KEY} must hold comparisons such as 'model/parameters <= 100000' (with <=, <, >= or >), "
            f"got {text!r}",
            key=_KEY,
            value=text,
        )
    names(match["name"], _KEY)
    return Constraint(match["name"], cast("Relation", match["relation"]), bound)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def violations(constraints: Sequence[Constraint], results: Sequence[Result]) -> dict[str, float]:
    """What `Trial.set_constraint` is to be given: by constraint, at most 0 where the trial's runs keep it.

    Raises:
        UserError: a run has no such score.
        Undefined: it is NaN or infinite.
    """
    return {
        constraint.text: constraint.violation(mean_score(constraint.name, results, _KEY))
        for constraint in constraints
    }
