"""The ranges of an optimizer's and a scheduler's numbers, outside of which nothing can be trained.

torch refuses some of these values with a sentence that has no key, and takes others: with `lr=0` a network
learns nothing, and with `eps=0` Adam divides by 0 where a gradient is 0.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from harness.config.choice_files import yamls
from harness.core.errors import UserError
from harness.runtime.config_nodes import load_plain


class Range(NamedTuple):
    """The values that a number may have, in words and as a test."""

    words: str
    holds: Callable[[float], bool]


_ABOVE_0 = Range("a finite number above 0", lambda value: 0 < value < math.inf)
_FROM_0 = Range("a finite number of at least 0", lambda value: 0 <= value < math.inf)
_FROM_1 = Range("at least 1", lambda value: value >= 1)
_BELOW_1 = Range("at least 0 and below 1", lambda value: 0 <= value < 1)
_WITHIN_1 = Range("above 0 and below 1", lambda value: 0 < value < 1)
_SHARE = Range("between 0 and 1", lambda value: 0 <= value <= 1)

_RANGES: dict[str, Range] = {
    "lr": _ABOVE_0,
    "weight_decay": _FROM_0,
    "momentum": _BELOW_1,
    "dampening": _BELOW_1,
    "betas": _BELOW_1,
    "eps": _ABOVE_0,
    "T_max": _FROM_1,
    "eta_min": _FROM_0,
    "step_size": _FROM_1,
    "gamma": _ABOVE_0,
    "total_iters": _FROM_0,
    "max_lr": _ABOVE_0,
    "pct_start": _SHARE,
    "base_momentum": _BELOW_1,
    "max_momentum": _BELOW_1,
    "div_factor": _ABOVE_0,
    "final_div_factor": _ABOVE_0,
    "patience": _FROM_0,
    "cooldown": _FROM_0,
    "threshold": _FROM_0,
    "min_lr": _FROM_0,
}
"""Argument -> range, of the optimizers and schedulers of torch and harness."""

_OF_ONE: dict[str, dict[str, Range]] = {
    "RMSprop": {"alpha": _BELOW_1},
    "ReduceLROnPlateau": {"factor": _WITHIN_1, "eps": _FROM_0},
}
"""Class -> argument -> range, of arguments that mean something else in other classes."""

_PACKAGES = ("torch", "harness")


def check_ranges(make: Callable[..., Any] | None, key: str) -> None:
    """Checks the numbers that an optimizer or scheduler is made with.

    A class of another package is left to its own checks.

    Args:
        make: the class with its arguments, a `functools.partial`; None: there is none.
        key: its place in the configuration, such as `trainer.optimizer`.

    Raises:
        UserError: the first number outside of its range.
    """
    made, given = getattr(make, "func", make), getattr(make, "keywords", {})
    if not inspect.isclass(made) or made.__module__.partition(".")[0] not in _PACKAGES:
        return
    for name, bounds in (_RANGES | _OF_ONE.get(made.__name__, {})).items():
        value = given.get(name)
        if not all(map(bounds.holds, _numbers(value))):
            place = f"{key}.{name}"
            several = "each number of " if isinstance(value, list | tuple) else ""
            usual = _usual(made, key).get(name)
            remedy = "" if usual is None else f"the usual value is {usual}"
            rule = f"{several}{place} must be {bounds.words}, got {value}"
            raise UserError(rule, remedy, key=place, value=value)


def _numbers(value: Any) -> Iterator[float]:
    """A number, or those of a list; nothing of another value, which its class checks."""
    for one in value if isinstance(value, list | tuple) else (value,):
        if isinstance(one, int | float) and not isinstance(one, bool):
            yield one


def _usual(made: type, key: str) -> Mapping[str, Any]:
    """The numbers that the choice of this class has in its yaml file; {} if there is none."""
    for path in yamls(key.replace(".", "/")).values():
        node = load_plain(path)
        if isinstance(node, dict) and str(node.get("_target_")).rpartition(".")[2] == made.__name__:
            return {name: value for name, value in node.items() if not isinstance(value, str)}
    return {}
