"""The axis of one dimension of a search space in a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.html import plotly_figure as plotly
from harness.report.html.plotly_figure import escaped
from harness.sweep.study.snapshot import Row, Snapshot, brief

_MOST_TICKS = 5


@dataclass(frozen=True)
class Scale:
    """One dimension of the space.

    key      of the dimension
    name     its short name, for figures
    log      whether the axis is logarithmic
    choices  the values in order, as text, of a dimension without numbers; else None
    ends     of a dimension of numbers, the lowest and the highest value that a trial has
    """

    key: str
    name: str
    log: bool = False
    choices: tuple[str, ...] | None = None
    ends: tuple[float, float] = (0.0, 1.0)

    def place(self, value: Any) -> Any:
        """The position of a value on the axis: a number, or the text of a choice."""
        return value if self.choices is None else escaped(brief(value))

    @property
    def axis(self) -> dict[str, Any]:
        """The axis of a slice."""
        if self.choices is not None:
            return plotly.axis(self.name, **plotly.categories(self.choices))
        if not self.log:
            return plotly.axis(self.name, type="linear")
        low, high = (math.log10(end) for end in self.ends)
        powers = range(math.floor(low), math.ceil(high) + 1)
        ticks = [10.0**power for power in powers[:: math.ceil(len(powers) / _MOST_TICKS)]]
        return plotly.axis(self.name, type="log", tickvals=ticks, ticktext=[brief(tick) for tick in ticks])

    def column(self, rows: Sequence[Row]) -> dict[str, Any]:
        """The axis in parallel coordinates; a trial without a value is below the others, at "absent"."""
        present = [row.point[self.key] for row in rows if self.key in row.point]
        places = {value: self._height(value) for value in present}
        low, high = min(places.values()), max(places.values())
        if self.choices is not None:  # also choices that no trial has
            low, high = 0.0, float(len(self.choices) - 1)
        room = (high - low) / 8 or 0.5
        ticks = self._ticks(low, high)
        bottom = low - room
        if len(present) < len(rows):
            ticks = {bottom: "absent", **ticks}
        return {
            "label": escaped(self.name),
            "values": [places[row.point[self.key]] if self.key in row.point else bottom for row in rows],
            "range": [
                bottom if len(present) < len(rows) or low == high else low,
                high if low < high else high + room,
            ],
            "tickvals": list(ticks),
            "ticktext": [escaped(text) for text in ticks.values()],
        }

    def _height(self, value: Any) -> float:
        if self.choices is not None:
            return float(self.choices.index(brief(value)))
        return math.log10(value) if self.log else float(value)

    def _ticks(self, low: float, high: float) -> dict[float, str]:
        if self.choices is not None:
            return {float(place): choice for place, choice in enumerate(self.choices)}
        decades = range(math.ceil(low), math.floor(high) + 1)
        if self.log and len(decades) > 1:
            return {float(power): brief(10.0**power) for power in decades}
        steps = _MOST_TICKS if low < high else 1
        places = dict.fromkeys(low + (high - low) * step / steps for step in range(steps + 1))
        return {place: brief(float(f"{10**place if self.log else place:.2g}")) for place in places}


def scales(snapshot: Snapshot, distributions: Mapping[str, Any]) -> list[Scale]:
    """One for each dimension of which a trial has a value.

    Args:
        distributions: Optuna's, by key: they say which dimensions are logarithmic and the order of
            choices. Without one, the values decide.
    """
    return [_scale(key, snapshot, distributions.get(key)) for key in snapshot.keys]


def _scale(key: str, snapshot: Snapshot, distribution: Any) -> Scale:
    name = snapshot.names[key]
    values = [row.point[key] for row in snapshot.rows if key in row.point]
    choices = tuple(getattr(distribution, "choices", ()))
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if numbers and not choices:
        ends = (min(values), max(values))
        return Scale(key, name, log=bool(getattr(distribution, "log", False)) and ends[0] > 0, ends=ends)
    known = dict.fromkeys([*choices, *values])
    return Scale(key, name, choices=tuple(dict.fromkeys(map(brief, sorted(known) if numbers else known))))
