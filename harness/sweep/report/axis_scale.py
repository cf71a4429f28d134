"""Scale: how the values of one dimension stand on an axis of a picture."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.sweep.study.snapshot import Row, Snapshot, brief

_MOST_TICKS = 5


@dataclass(frozen=True)
class Scale:
    """One dimension of the space.

    key      of the dimension
    name     how it is called in pictures
    log      whether its logarithm is what is even
    choices  the values in order, as text, of a dimension that has no numbers; else None
    ends     the lowest and the highest value that a trial has, of a dimension of numbers
    """

    key: str
    name: str
    log: bool = False
    choices: tuple[str, ...] | None = None
    ends: tuple[float, float] = (0.0, 1.0)

    def place(self, value: Any) -> Any:
        """What a picture is given for a value: a number, or the text of a choice."""
        return value if self.choices is None else safe(brief(value))

    @property
    def layout(self) -> dict[str, Any]:
        """The axis in Plotly's words."""
        title = {"text": safe(self.name)}
        if self.choices is not None:
            order = {"categoryorder": "array", "categoryarray": [safe(choice) for choice in self.choices]}
            return {"title": title, "type": "category", **order}
        if not self.log:
            return {"title": title, "type": "linear"}
        low, high = (math.log10(end) for end in self.ends)
        powers = range(math.floor(low), math.ceil(high) + 1)
        ticks = [10.0**power for power in powers[:: math.ceil(len(powers) / _MOST_TICKS)]]
        return {"title": title, "type": "log", "tickvals": ticks, "ticktext": [brief(tick) for tick in ticks]}

    def column(self, rows: Sequence[Row]) -> dict[str, Any]:
        """The dimension as one of parallel coordinates; a trial that has no value stands below the others."""
        present = [row.point[self.key] for row in rows if self.key in row.point]
        places = {value: self._height(value) for value in present}
        low, high = min(places.values()), max(places.values())
        if self.choices is not None:  # also those that no trial has
            low, high = 0.0, float(len(self.choices) - 1)
        room = (high - low) / 8 or 0.5
        ticks = self._ticks(low, high)
        bottom = low - room
        if len(present) < len(rows):
            ticks = {bottom: "absent", **ticks}
        return {
            "label": safe(self.name),
            "values": [places[row.point[self.key]] if self.key in row.point else bottom for row in rows],
            "range": [
                bottom if len(present) < len(rows) or low == high else low,
                high if low < high else high + room,
            ],
            "tickvals": list(ticks),
            "ticktext": [safe(text) for text in ticks.values()],
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
    """One per dimension that a trial has a value of.

    Args:
        distributions: Optuna's, by key, which know what is logarithmic and the order of choices; of a
            dimension that it lacks, the values alone decide.
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


def safe(text: str) -> str:
    """A text in which nothing is taken for a tag, by a browser or by Plotly."""
    return html.escape(text, quote=False)
