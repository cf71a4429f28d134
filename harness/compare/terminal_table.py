"""Text: a leaderboard and the differences of two runs as lines for a screen of some width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from harness.compare.leaderboard import Board, Row, counted, data
from harness.compare.paired_tests import Paired
from harness.compare.ranking_score import Interval
from harness.compare.reading_notes import notes
from harness.compare.two_runs import Changes
from harness.console.text_format import Line, duration, number

_GAP = "  "
_ALWAYS = 0
_MOST_PARAMETERS = 20
_LONGEST = 40


@dataclass(frozen=True)
class Column:
    """One column: its title, a cell per line, how readily it is left out (0: never), and its side."""

    title: str
    cells: Sequence[str]
    expendable: int = _ALWAYS
    left: bool = False

    @property
    def width(self) -> int:
        return max(map(len, [self.title, *self.cells]))


def table(board: Board, width: int | None = None) -> Iterator[Line]:
    """The leaderboard with its footnotes; columns that matter least go where `width` is short."""
    columns = _columns(board)
    kept, left_out = _fitting(columns, width)
    titles = _GAP.join(_padded(column, column.title) for column in kept)
    yield [(titles, "bold")]
    yield [("─" * len(titles), "dim")]
    for place in range(len(board.rows)):
        yield [(_GAP.join(_padded(column, column.cells[place]) for column in kept), "")]
    yield from ([(line, "")] for line in baseline_lines(board))
    yield []
    told = [f"not ranked: {counted(board.left)}"] if board.left else []
    if left_out:
        told.append(f"too narrow for: {', '.join(left_out)}; --csv holds everything")
    for note in [*told, *notes(board)]:
        for line in [note] if width is None else wrap(note, max(width, 40), subsequent_indent=_GAP):
            yield [(line, "dim")]


def _columns(board: Board) -> list[Column]:
    """In the order of the screen."""
    rows = board.rows
    found = [
        Column("#", [str(place + 1) for place in range(len(rows))]),
        Column("run", [row.label for row in rows], left=True),
        Column("name", [_brief(row.runs[0].name) for row in rows], 8, left=True),
    ]
    if any(len(row.runs) > 1 for row in rows):
        found.append(Column("seeds", [str(len(row.runs)) for row in rows], 5))
    found.append(Column(board.score, [number(row.score.mean) for row in rows]))
    for title, intervals in (
        ("95 % over folds", [row.score.over_folds for row in rows]),
        ("95 % over seeds", [row.score.over_seeds for row in rows]),
    ):
        if any(intervals):
            found.append(Column(title, list(map(_interval, intervals)), 2))
    for place, (key, values) in enumerate(board.parameters.items()):
        found.append(
            Column(board.names[key], list(map(_brief, values)), 3 if place < _MOST_PARAMETERS else 9)
        )
    if len(rows) > 1:
        gaps = [signed(row.score.mean - rows[0].score.mean) for row in rows[1:]]
        found.append(Column("difference", ["", *gaps], 6))
        found.append(Column("effect", ["", *map(effect, rows[1:])], 7))
        found.append(Column("p", ["", *map(p_value, rows[1:])], 1))
    found.append(Column("seconds", [duration(row.seconds) for row in rows], 4))
    found.append(Column("parameters", [whole(row.parameters) for row in rows], 5))
    others = dict.fromkeys(name for row in rows for name in row.others)
    for name in others:
        means = [number(row.others[name].mean if name in row.others else None) for row in rows]
        found.append(Column(name.partition("/")[2], means, 10))
    return found


def _fitting(columns: Sequence[Column], width: int | None) -> tuple[list[Column], list[str]]:
    """The columns that fit, and the titles of the others: the most expendable go first, from the right."""
    kept = list(columns)
    left_out: list[Column] = []
    while width is not None and sum(column.width + len(_GAP) for column in kept) - len(_GAP) > width:
        most = max(column.expendable for column in kept)
        if most == _ALWAYS:
            break
        last = max(place for place, column in enumerate(kept) if column.expendable == most)
        left_out.append(kept.pop(last))
    return kept, [column.title for column in columns if column in left_out]


def _padded(column: Column, text: str) -> str:
    return f"{text:<{column.width}}" if column.left else f"{text:>{column.width}}"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f"[{number(interval[0])}, {number(interval[1])}]"


def _brief(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def signed(value: float) -> str:
    """A difference with its sign; `-` for undefined."""
    text = number(value)
    return text if text.startswith("-") or value == 0 else f"+{text}"


def effect(row: Row) -> str:
    """The effect size of a line's test, with two decimals."""
    tested = row.tested
    return f"{tested.effect:+.2f}" if isinstance(tested, Paired) and tested.effect == tested.effect else "-"


def p_value(row: Row) -> str:
    """The corrected p-value; below a ten thousandth its order of magnitude does not matter."""
    if row.p != row.p:
        return "-"
    return "<0.0001" if row.p < 1e-4 else f"{row.p:.4f}"


def whole(value: float) -> str:
    """A count with its thousands apart; `-` for undefined."""
    return f"{value:,.0f}" if value == value else "-"


def baseline_lines(board: Board) -> Iterator[str]:
    """What the score is without any learning, a line per data set."""
    several = len({data(run) for run in board.runs}) > 1
    for name, own in board.baselines.items():
        told = ", ".join(f"{ending} {_range(*ends)}" for ending, ends in own.items())
        yield f"baselines{f' of {name}' if several else ''}: {told}"


def _range(low: float, high: float) -> str:
    first, last = number(low), number(high)
    return first if first == last else f"{first} to {last}"


def changes(old: str, new: str, sections: dict[str, Changes]) -> Iterator[Line]:
    """In what two runs differ, a block per kind and a line per difference."""
    yield [(f"{old} -> {new}", "bold")]
    same = [name for name, found in sections.items() if not found]
    for name, found in sections.items():
        if found:
            yield [(name, "bold")]
            width = max(map(len, found))
            for key, (before, after) in found.items():
                yield [(f"{_GAP}{key:<{width}}  {before} -> {after}", "")]
    if same:
        yield [(f"the same: {', '.join(same)}", "")]
