"""A leaderboard and the differences of two runs as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from harness.compare.leaderboard import Leaderboard, LeaderboardRow, counted, data
from harness.compare.paired_tests import PairedTest
from harness.compare.parameter_differences import most_telling, rounded
from harness.compare.ranking_score import Interval
from harness.compare.reading_notes import notes
from harness.compare.two_runs import Changes
from harness.console.text_format import Line, aligned, duration, fit_columns, number
from harness.core.baseline_names import shown_kind
from harness.core.name_list import listed

_GAP = "  "
_ALWAYS = 0
_MANY = 9
_MOST_PARAMETERS = 20
_MOST_NAMED = 10
_LONGEST = 40


@dataclass(frozen=True)
class Column:
    """One column.

    cells       one per line
    expendable  columns with the highest number are dropped first where there is little room; 0: never
    left        whether it is aligned to the left
    """

    title: str
    cells: Sequence[str]
    expendable: int = _ALWAYS
    left: bool = False

    @property
    def width(self) -> int:
        return max(map(len, [self.title, *self.cells]))


def leaderboard_lines(board: Leaderboard, width: int | None = None) -> Iterator[Line]:
    """The leaderboard with its remarks; the least important columns are dropped to fit `width`."""
    columns = _columns(board)
    kept, dropped = _fitting(columns, width)
    cells = list(zip(*([column.title, *column.cells] for column in kept), strict=True))
    titles, *rows = aligned(cells, [place for place, column in enumerate(kept) if column.left], _GAP)
    yield [(titles, "bold")]
    yield [("─" * len(titles), "dim")]
    yield from ([(row, "")] for row in rows)
    yield from ([(line, "")] for line in baseline_lines(board))
    yield []
    remarks = [f"not ranked: {counted(board.unranked)}"] if board.unranked else []
    if dropped:
        why = "left out" if width is None else "too narrow for"
        remarks.append(f"{why}: {listed(dropped, _MOST_NAMED)}; --csv has all columns")
    for note in [*remarks, *notes(board)]:
        for line in [note] if width is None else wrap(note, max(width, 40), subsequent_indent=_GAP):
            yield [(line, "dim")]


def _columns(board: Leaderboard) -> list[Column]:
    """All columns, in their order."""
    rows = board.rows
    names = [brief(row.runs[0].name) for row in rows]
    columns = [
        Column("#", [str(place + 1) for place in range(len(rows))]),
        Column("run", [row.label for row in rows], left=True),
        Column("name", names, 2 if len(set(names)) > 1 else 8, left=True),
    ]
    if any(len(row.runs) > 1 for row in rows):
        columns.append(Column("seeds", [str(len(row.runs)) for row in rows], 5))
    columns.append(Column(board.score, [number(row.score.mean) for row in rows]))
    for title, intervals in (
        ("95 % over folds", [row.score.over_folds for row in rows]),
        ("95 % over seeds", [row.score.over_seeds for row in rows]),
    ):
        if any(intervals):
            columns.append(Column(title, list(map(_interval, intervals)), 2))
    telling = most_telling(board.parameters, _MOST_PARAMETERS)
    for key, values in board.parameters.items():
        columns.append(
            Column(board.names[key], list(map(brief, rounded(values))), 3 if key in telling else _MANY)
        )
    if len(rows) > 1:
        gaps = [signed(row.score.mean - rows[0].score.mean) for row in rows[1:]]
        columns.append(Column("difference", ["", *gaps], 6))
        columns.append(Column("effect", ["", *map(effect, rows[1:])], 7))
        columns.append(Column("p", ["", *map(p_value, rows[1:])], 1))
    columns.append(Column("seconds", [duration(row.seconds) for row in rows], 4))
    columns.append(Column("parameters", [whole(row.parameters) for row in rows], 5))
    for name in board.others:
        means = [number(row.others[name].mean if name in row.others else None) for row in rows]
        columns.append(Column(name.partition("/")[2], means, 10))
    return columns


def _fitting(columns: Sequence[Column], width: int | None) -> tuple[list[Column], list[str]]:
    """The columns that fit, and the titles of the others; the most expendable are dropped first."""
    kept = [column for column in columns if width is not None or column.expendable != _MANY]
    if width is not None:
        widths, expendable = [column.width for column in kept], [column.expendable for column in kept]
        kept = [kept[place] for place in fit_columns(widths, expendable, width, _GAP)]
    return kept, [column.title for column in columns if column not in kept]


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f"[{number(interval[0])}, {number(interval[1])}]"


def brief(text: str) -> str:
    """At most 40 characters."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def signed(value: float) -> str:
    """A difference with its sign; `-` for undefined."""
    text = number(value)
    return text if text.startswith("-") or value == 0 else f"+{text}"


def effect(row: LeaderboardRow) -> str:
    """The effect size of a line's test, with two decimals; `-` for undefined."""
    tested = row.tested
    if not isinstance(tested, PairedTest) or tested.effect != tested.effect:
        return "-"
    return f"{tested.effect:+.2f}"


def p_value(row: LeaderboardRow) -> str:
    """The corrected p-value; `<0.0001` for very small ones."""
    if row.p != row.p:
        return "-"
    return "<0.0001" if row.p < 1e-4 else f"{row.p:.4f}"


def whole(value: float) -> str:
    """A count with thousands separators; `-` for undefined."""
    return f"{value:,.0f}" if value == value else "-"


def baseline_lines(board: Leaderboard) -> Iterator[str]:
    """The baselines, a line per data set."""
    several = len({data(run) for run in board.runs}) > 1
    for name, own in board.baselines.items():
        values = ", ".join(f"{shown_kind(kind)} {_range(*ends)}" for kind, ends in own.items())
        yield f"baselines{f' of {name}' if several else ''}: {values}"


def _range(low: float, high: float) -> str:
    first, last = number(low), number(high)
    return first if first == last else f"{first} to {last}"


def change_lines(old: str, new: str, sections: dict[str, Changes]) -> Iterator[Line]:
    """The differences of two runs, a block per kind and a line per difference."""
    yield [(f"{old} -> {new}", "bold")]
    same = [name for name, changed in sections.items() if not changed]
    for name, changed in sections.items():
        if changed:
            yield [(name, "bold")]
            width = max(map(len, changed))
            for key, (before, after) in changed.items():
                yield [(f"{_GAP}{key:<{width}}  {before} -> {after}", "")]
    if same:
        yield [(f"the same: {', '.join(same)}", "")]
