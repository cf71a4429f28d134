"""The tables of a sweep's page: its summary, the best trials, the failed ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from harness.console.text_format import duration
from harness.report.html.page_parts import Block, Code, Facts, Table, Text, Tile, Tiles
from harness.runtime.redact import mask_urls
from harness.sweep.report.selection import Selection
from harness.sweep.study.snapshot import Row, Snapshot, brief, score

MOST_BEST, MOST_FAILURES = 10, 100


def summary(snapshot: Snapshot, about: Mapping[str, str]) -> list[Block]:
    """The most important numbers, then the facts about the sweep."""
    ended = f"{snapshot.ended}" + (f" / {snapshot.trials}" if snapshot.trials is not None else "")
    tiles = [*_reached(snapshot), Tile(ended, "trials ended")]
    tiles += [Tile(str(count), name) for name, count in snapshot.counts.items() if count]
    seconds = _wall_time(snapshot)
    tiles += [] if seconds is None else [Tile(duration(seconds), "first to last trial")]
    return [Tiles(tiles), Facts(about)] if about else [Tiles(tiles)]


def _reached(snapshot: Snapshot) -> list[Tile]:
    best = snapshot.best
    if not best:
        return []
    if len(snapshot.objectives) > 1:
        return [Tile(str(len(best)), "trials on the front")]
    value = score((best[0].values or (math.nan,))[0])
    return [Tile(value, f"best {snapshot.objectives[0].name}", kind="main")]


def _wall_time(snapshot: Snapshot) -> float | None:
    """Seconds from the beginning of the first trial to the end of the last one."""
    begun = [row.begun for row in snapshot.rows if row.begun is not None]
    ended = [row.ended for row in snapshot.rows if row.ended is not None]
    return (max(ended) - min(begun)).total_seconds() if begun and ended else None


def best(snapshot: Snapshot, rows: Sequence[Row], command: Callable[[Row], str]) -> list[Block]:
    """The best trials and their commands; of one objective also the trials that follow."""
    if len(snapshot.objectives) > 1:
        table = _trials(snapshot, rows[:MOST_BEST])
        return [table, *_more(len(rows) - MOST_BEST, "best.yaml"), *_commands(rows, command)]
    first = rows[0]
    ended = sorted(
        (row for row in snapshot.rows if row.state == "complete" and row.values), key=snapshot.cost
    )
    others = [first, *(row for row in ended if row.feasible and row.number != first.number)]
    return [*_commands(rows, command), _trials(snapshot, others[:MOST_BEST])]


def selection(snapshot: Snapshot, selection: Selection, command: Callable[[Row], str]) -> list[Block]:
    """The price of the choice, the trials that cannot be distinguished from the best, and the one to use."""
    by_number = {row.number: row for row in snapshot.rows}
    equal = [by_number[number] for number in selection.equivalent]
    sentence = selection.sentence[:1].upper() + selection.sentence[1:]
    sampled = f"{selection.rows} validation rows" + (
        f" of {selection.groups} groups, drawn as groups" if selection.groups is not None else ""
    )
    return [
        Text(f"{sentence} ({sampled})."),
        Text(f"{selection.equivalents_sentence[:1].upper()}{selection.equivalents_sentence[1:]}:"),
        _trials(snapshot, equal[:MOST_BEST]),
        *_more(len(equal) - MOST_BEST, "best.yaml"),
        *_recommended(selection, command(by_number[selection.recommended])),
    ]


def _recommended(selection: Selection, command: str) -> list[Block]:
    text = selection.recommendation
    return [Text(f"{text[:1].upper()}{text[1:]}."), Code(command)] if text else []


def _commands(rows: Sequence[Row], command: Callable[[Row], str]) -> list[Block]:
    pairs = [(Text(f"Run trial {row.number} alone:", "dim"), Code(command(row))) for row in rows[:3]]
    return [block for pair in pairs for block in pair]


def _trials(snapshot: Snapshot, rows: Sequence[Row]) -> Table:
    """A line per trial; the full key of a dimension appears when the pointer rests on its title."""
    lines = []
    for row in rows:
        values = [score(value) for value in row.values or ()]
        point = [brief(row.point[key]) if key in row.point else "" for key in snapshot.keys]
        lines.append([row.number, *values, *point, "" if row.seconds is None else duration(row.seconds)])
    objectives = [objective.name for objective in snapshot.objectives]
    notes = {name: key for key, name in snapshot.names.items()}
    return Table(["trial", *objectives, *snapshot.names.values(), "time"], lines, notes=notes)


def failures(snapshot: Snapshot) -> list[Block]:
    """The failed trials and their errors, the newest first."""
    rows = [row for row in reversed(snapshot.history) if row.state == "failed"]
    lines = [
        [row.number, row.worker or "", snapshot.describe(row), mask_urls(row.error or "no reason given")]
        for row in rows[:MOST_FAILURES]
    ]
    table = Table(["trial", "worker", "point", "error"], lines, words=4, wrap=True)
    return [table, *_more(len(rows) - MOST_FAILURES, "trials.csv")]


def _more(count: int, file: str) -> list[Block]:
    return [Text(f"And {count} more, in {file}.")] if count > 0 else []
