"""What each key brought, on a path of trials that changes one key after the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from harness.sweep.report.explanation import Statement
from harness.sweep.report.price_selection import stored_scores
from harness.sweep.study.snapshot import Row, Snapshot, brief, score

_ABSENT = object()


def key_gains(folder: Path, now: Snapshot) -> list[Statement]:
    """A statement per step of the path, which the trials are in the order of their numbers.

    The interval of 95 % is that of a paired bootstrap over the validation rows, of which both trials keep
    their outputs. It does not have the spread between seeds.

    Args:
        folder: of the sweep.
        now: with one objective.
    """
    rows = [row for row in now.rows if row.state == "complete"]
    if len(rows) < 2 or len(rows) < len(now.rows):
        return []  # a step without its trial would be counted for another key
    intervals = _intervals(folder, now, rows)
    return list(_statements(now, rows, intervals))


def _statements(
    now: Snapshot, rows: list[Row], intervals: dict[tuple[int, int], tuple[float, float]]
) -> Iterator[Statement]:
    objective = now.objectives[0]
    ends = [(row.values or (0.0,))[0] for row in (rows[0], rows[-1])]
    yield Statement(
        "path",
        None,
        None,
        f"from the default to the best, {objective.name} goes from {score(ends[0])} to {score(ends[1])}:",
    )
    for before, after in itertools.pairwise(rows):
        keys = [key for key in now.keys if before.point.get(key, _ABSENT) != after.point.get(key, _ABSENT)]
        change = (after.values or (0.0,))[0] - (before.values or (0.0,))[0]
        changed = ", ".join(f"{now.names[key]} {_value(before, key)} -> {_value(after, key)}" for key in keys)
        text, interval = f"{changed} brings {change:+.4g}", intervals.get((before.number, after.number))
        if interval is not None:
            low, high = interval
            text += f" [{low:+.4g}, {high:+.4g}]" + (", which may be chance" if low <= 0 <= high else "")
        if change == 0 and interval in (None, (0.0, 0.0)):
            text = f"{changed} changes nothing"
        yield Statement("gain", keys[0] if len(keys) == 1 else None, None, text)


def _value(row: Row, key: str) -> str:
    return brief(row.point[key]) if key in row.point else "none"


def _intervals(folder: Path, now: Snapshot, rows: list[Row]) -> dict[tuple[int, int], tuple[float, float]]:
    """The interval of the difference between each trial and the one before it, by their numbers."""
    from harness.evaluate.selection_bias import difference_interval

    found = stored_scores(folder, now, rows)
    if isinstance(found, str):
        return {}
    numbers = list(found.stored)
    group = found.stored[numbers[0]].group
    intervals = {}
    for before, after in itertools.pairwise(row.number for row in rows):
        if before in numbers and after in numbers:
            pair = (numbers.index(before), numbers.index(after))
            interval = difference_interval(found.scores, group, pair)
            if interval is not None:
                intervals[before, after] = interval
    return intervals
