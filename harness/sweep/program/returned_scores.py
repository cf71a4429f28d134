"""The value that a program's task returns, as scores by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.core.errors import UserError
from harness.sweep.study.snapshot import Objective

_KEY = "sweep.objectives"


def returned_scores(value: Any, objectives: Sequence[Objective]) -> dict[str, float]:
    """The objectives among what a task returned, and the further numbers of a dict.

    Args:
        value: a number; one number per objective; or a dict of names to numbers. A number is anything that
            `float` takes, such as a tensor of one element.

    Raises:
        UserError: it is something else, or does not fit the objectives.
    """
    names = [objective.name for objective in objectives]
    if value is None:
        raise UserError("the program's task returned nothing", "return the objective, a number", key=_KEY)
    if isinstance(value, Mapping):
        read = {str(name): _number(item) for name, item in value.items()}
        scores = {name: number for name, number in read.items() if number is not None}
        for name in names:
            if name not in scores:
                found = ", ".join(scores) or "no number"
                raise UserError(
                    f"the program's task returned {found}, and no {name}",
                    f"name the objective: '{_KEY}={{NAME: maximize}}'",
                    key=_KEY,
                )
        return scores
    several = isinstance(value, tuple | list)
    given = list(value) if several else [value]
    numbers = [_number(item) for item in given]
    if None in numbers:
        raise UserError(
            f"the program's task must return a number, a tuple or a dict of numbers, got {value!r:.80}",
            key=_KEY,
        )
    if len(numbers) != len(names):
        raise UserError(
            f"the program's task returned {len(numbers)} numbers, and {_KEY} names {len(names)} "
            f"({', '.join(names)})",
            f"name one for each: '{_KEY}=[minimize,maximize]'",
            key=_KEY,
        )
    return {name: number for name, number in zip(names, numbers, strict=True) if number is not None}


def _number(value: Any) -> float | None:
    if isinstance(value, str | bytes):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return None
