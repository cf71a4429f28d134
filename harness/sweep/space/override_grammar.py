"""Turns an override in Hydra's sweep grammar into a dimension."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, RangeSweep
from hydra.errors import OverrideParseException

from harness.config.overrides import name_of
from harness.config.sweep_override_errors import FORMS, no_value, unreadable
from harness.core.errors import UserError
from harness.core.near_names import near
from harness.sweep.space.dimension import Dimension
from harness.sweep.space.interval import Interval
from harness.sweep.space.listed_values import Choices
from harness.sweep.space.stepped_values import Steps
from harness.sweep.space.swept_key import check_no_secret
from harness.sweep.space.swept_value import Value, value_of, word


class Grammar:
    """Reads words with Hydra's own parser.

    Args:
        loader: knows the choices of each group.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader = loader
        self._parser = OverridesParser.create(config_loader=loader)

    def parse(self, typed: str) -> Override:
        """One word of the command line.

        Raises:
            UserError: Hydra cannot read it, or it nests an interval, a range or a pattern.
        """
        try:
            (override,) = self._parser.parse_overrides([typed])
        except OverrideParseException as error:
            raise unreadable(typed, str(error)) from error
        return self.checked(override)

    def checked(self, override: Override) -> Override:
        """The override, if it has one value that can be stored, or several of any form.

        Raises:
            UserError: it nests an interval, a range or a pattern.
        """
        if override.is_sweep_override():
            # Of a pattern, the choices are those that this loader knows.
            return replace(override, config_loader=self._loader)
        self.values(str(override.input_line), [override.value()])
        return override

    def values(self, typed: str, elements: Iterable[Any]) -> list[Value]:
        """What the elements of a list mean.

        Raises:
            UserError: one of them is an interval, a range, or no value at all.
        """
        try:
            return [value_of(element) for element in elements]
        except TypeError as error:
            raise UserError(
                f"{typed} lists what is no value",
                "a value is null, true, false, a number, a text, a list or "
                "a mapping, while an interval, a range and a pattern cannot be in a list",
            ) from error

    def dimension(self, override: Override) -> Dimension:
        """What is swept; one value alone is a list of one.

        Raises:
            UserError: the key cannot be swept, or its values cannot be sampled.
        """
        typed, key = str(override.input_line), name_of(override)
        plus = override.get_key_element().removesuffix(key)
        if plus == "~":
            raise UserError(f"{typed} takes {key} away, which has no values", f"sweep over {key}=A,B")
        sweep: Any = override.value()
        if isinstance(sweep, IntervalSweep):
            return _interval(typed, key, plus, sweep)
        if isinstance(sweep, RangeSweep):
            return _steps(typed, key, plus, sweep)
        if isinstance(sweep, Glob):
            return self.choices(typed, key, self._globbed(typed, override.key_or_group, sweep), plus)
        if not isinstance(sweep, ChoiceSweep):
            return self.choices(typed, key, [sweep], plus)
        if "log" in sweep.tags:
            raise UserError(
                f"{typed} sets a logarithmic scale for listed values", "write tag(log,interval(LOW,HIGH))"
            )
        _check_tags(typed, sweep.tags)
        listed = list(sweep.list)
        if sweep.shuffle:
            random.Random(key).shuffle(listed)  # the same order in every process, and when the sweep goes on
        return self.choices(typed, key, listed, plus)

    def choices(self, typed: str, key: str, elements: Iterable[Any], plus: str = "") -> Choices:
        """The dimension of a list of elements, from yaml or from Hydra's parser.

        Raises:
            UserError: nothing is listed, something twice, a password, or no value.
        """
        values = self.values(typed, elements)
        if not values:
            raise no_value(typed, key)
        _check_different(typed, values)
        for value in values:
            check_no_secret(key, value)
        return Choices(key=key, plus=plus, group=self._is_group(key), choices=tuple(values))

    def _is_group(self, key: str) -> bool:
        group = key.partition("@")[0]
        return "." not in group and bool(self._loader.get_group_options(group))

    def _globbed(self, typed: str, group: str, pattern: Glob) -> list[str]:
        known = sorted(self._loader.get_group_options(group))
        matching = pattern.filter(known)
        if not matching:
            raise UserError(f"{typed} matches no choice of {group}", near("", known))
        return matching


def _interval(typed: str, key: str, plus: str, sweep: IntervalSweep) -> Interval:
    _check_tags(typed, sweep.tags)
    low, high = sweep.start, sweep.end
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        raise UserError(f"{typed}: the ends of an interval must be finite numbers, got {low} and {high}.")
    if low >= high:
        whole = "; int(…) cuts off what follows the point" if isinstance(low, int) else ""
        raise UserError(
            f"{typed}: the first end of an interval must be below the second, got {low} and {high}{whole}",
            f"a single value is {key}={high}",
        )
    log = "log" in sweep.tags
    if log and low <= 0:
        raise UserError(
            f"{typed}: a logarithmic interval must begin above 0, got {low}", "raise it, or leave out log"
        )
    return Interval(key=key, plus=plus, low=low, high=high, log=log)


def _steps(typed: str, key: str, plus: str, sweep: RangeSweep) -> Steps:
    if "log" in sweep.tags:
        raise UserError(
            f"{typed}: a range has equal steps and no logarithmic scale", "write tag(log,int(interval(…)))"
        )
    _check_tags(typed, sweep.tags)
    start, stop, step = sweep.start or 0, sweep.stop or 0, sweep.step
    if not all(map(math.isfinite, (start, stop, step))):
        raise UserError(f"{typed}: start, stop and step of a range must be finite numbers.")
    if step == 0:
        raise UserError(f"{typed}: the step of a range must not be 0", "leave it out for 1")
    if isinstance(start, int) and isinstance(stop, int) and isinstance(step, int):
        count = len(range(start, stop, step))
    else:
        start, step = float(start), float(step)
        # In decimals, so that range(0,1,0.1) has ten values and the fourth is 0.3.
        begin, end, by = (Decimal(repr(number)) for number in (start, stop, step))
        count = max(0, math.ceil((end - begin) / by))
    if count == 0:
        raise no_value(typed, key)
    return Steps(key=key, plus=plus, start=start, step=step, count=count, shuffled=sweep.shuffle)


def _check_tags(typed: str, tags: set[str]) -> None:
    others = sorted(tags - {"log"})
    if others:
        raise UserError(f"{typed}: log is the only tag, got {', '.join(others)}", FORMS)


def _check_different(typed: str, values: list[Value]) -> None:
    """To a study, 1, 1.0 and true are one value, as they are to Python."""
    seen: dict[Value, str] = {}
    for value in values:
        if value in seen:
            one, other = seen[value], word(value)
            said = f"{one} twice" if one == other else f"{one} and {other}, which count as one value"
            raise UserError(f"{typed} lists {said}", "name each value once")
        seen[value] = word(value)
