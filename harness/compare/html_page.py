"""Page: a comparison as one HTML file with everything in it; no network is needed to read it."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.compare.compare_runs import Comparison
from harness.compare.leaderboard import Board, Row, counted
from harness.compare.page_style import CSS, SCRIPT
from harness.compare.paired_tests import Paired
from harness.compare.ranking_score import Interval
from harness.compare.reading_notes import notes
from harness.compare.terminal_table import baseline_lines, effect, p_value, signed, whole
from harness.compare.two_runs import Changes
from harness.console.text_format import duration, number

_WIDTH, _HEIGHT = 220, 18
"""Pixels of the picture of an interval."""


@dataclass(frozen=True)
class Cell:
    """What is shown, and by what it is sorted; NaN and "" come last."""

    shown: str
    order: float | str
    left: bool = False

    @property
    def html(self) -> str:
        order = self.order
        if isinstance(order, float):
            order = "" if math.isnan(order) else repr(order)
        side = ' class="text"' if self.left else ""
        return f'<td{side} data-order="{escaped(order)}">{self.shown}</td>'


def page(found: Comparison) -> str:
    """Leaderboard, paired tests, and of two runs what they differ in."""
    board = found.board
    title = f"{len(board.rows)} lines by {board.score}"
    parts = [_section("Leaderboard", _leaderboard(board) + _paragraphs(_below(board)))]
    if len(board.rows) > 1:
        parts.append(
            _section("Paired tests against the best", _tests(board) + _paragraphs(list(notes(board))))
        )
    else:
        parts.append(_section("Notes", _paragraphs(list(notes(board)))))
    if found.pair is not None:
        parts.append(_section(" → ".join(found.pair), _changes(found.changes)))
    if found.links:
        parts.append(_section("MLflow", "".join(_link(*link) for link in found.links)))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escaped(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        f"<header><p>compare</p><h1>{escaped(title)}</h1></header>\n<main>\n{''.join(parts)}</main>\n"
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def escaped(text: str) -> str:
    """A text in which nothing is taken for a tag or the end of an attribute."""
    return html.escape(text)


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escaped(title)}</h2>\n{body}</section>\n"


def _paragraphs(lines: Sequence[str]) -> str:
    return "".join(f"<p>{escaped(line)}</p>\n" for line in lines)


def _below(board: Board) -> list[str]:
    left = [f"not ranked: {counted(board.left)}"] if board.left else []
    return [*baseline_lines(board), *left]


def _leaderboard(board: Board) -> str:
    others = list(dict.fromkeys(name for row in board.rows for name in row.others))
    draw = _pictures(board)
    titles = ["#", "run", "name", "seeds", board.score, "95 % interval", "over folds", "over seeds"]
    titles += [*board.names.values(), "seconds", "parameters", *(name.partition("/")[2] for name in others)]
    rows = [
        [
            Cell(str(place + 1), float(place)),
            *(Cell(escaped(text), text, left=True) for text in (row.label, row.runs[0].name)),
            Cell(str(len(row.runs)), float(len(row.runs))),
            Cell(f"<b>{number(row.score.mean)}</b>", row.score.mean),
            Cell(draw(row), row.score.mean),
            *(_bounds(interval) for interval in (row.score.over_folds, row.score.over_seeds)),
            *(_setting(values[place]) for values in board.parameters.values()),
            Cell(duration(row.seconds), row.seconds),
            Cell(whole(row.parameters), row.parameters),
            *(_score(row, name) for name in others),
        ]
        for place, row in enumerate(board.rows)
    ]
    return _table(*_filled(titles, rows))


def _bounds(interval: Interval | None) -> Cell:
    if interval is None:
        return Cell("", math.nan)
    low, high = interval
    return Cell(f"[{number(low)}, {number(high)}]", low)


def _setting(text: str) -> Cell:
    try:
        return Cell(escaped(text), float(text))
    except ValueError:
        return Cell(escaped(text), text)


def _score(row: Row, name: str) -> Cell:
    mean = row.others[name].mean if name in row.others else math.nan
    return Cell(number(mean), mean)


def _filled(titles: list[str], rows: list[list[Cell]]) -> tuple[list[str], list[list[Cell]]]:
    """Without the columns in which no line has anything."""
    kept = [place for place in range(len(titles)) if any(row[place].shown for row in rows)]
    return [titles[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _pictures(board: Board) -> Callable[[Row], str]:
    """What draws a line's mean and intervals, all on one scale."""
    scores = [row.score for row in board.rows]
    ends = [end for score in scores for pair in (score.over_folds, score.over_seeds) if pair for end in pair]
    points = [point for point in [*ends, *(score.mean for score in scores)] if math.isfinite(point)]
    low, high = (min(points), max(points)) if points else (0.0, 1.0)
    span = (high - low) or 1.0

    def at(value: float) -> float:
        return 6 + (value - low) / span * (_WIDTH - 12)

    def draw(row: Row) -> str:
        mean = row.score.mean
        if not math.isfinite(mean):
            return ""
        middle = _HEIGHT / 2
        bars = ""
        for kind, interval in (("folds", row.score.over_folds), ("seeds", row.score.over_seeds)):
            if interval is not None and all(map(math.isfinite, interval)):
                first, last = map(at, interval)
                bars += f'<path class="{kind}" d="M{first:.1f} {middle}H{last:.1f}"/>'
        told = escaped(f"{board.score} {number(mean)}")
        return (
            f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
            f'aria-label="{told}">{bars}<circle cx="{at(mean):.1f}" cy="{middle}" r="4"/></svg>'
        )

    return draw


def _tests(board: Board) -> str:
    titles = ["#", "run", "difference", "test", "pairs", "effect", "effect size", "p", "p (Holm)"]
    best = board.rows[0].score.mean
    rows = []
    for place, row in enumerate(board.rows[1:], 2):
        gap, tested = row.score.mean - best, row.tested
        line = [Cell(str(place), float(place)), Cell(escaped(row.label), row.label, left=True)]
        line.append(Cell(signed(gap), gap))
        if isinstance(tested, Paired):
            line += [
                Cell(escaped(tested.test), tested.test, left=True),
                Cell(str(tested.pairs), float(tested.pairs)),
            ]
            line += [Cell(effect(row), tested.effect), Cell(escaped(tested.size), tested.size, left=True)]
            line += [Cell(number(tested.p), tested.p), Cell(p_value(row), row.p)]
        else:
            line += [Cell(f"- ({escaped(tested)})", "", left=True), *[Cell("", math.nan)] * 5]
        rows.append(line)
    return _table(titles, rows)


def _table(titles: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    head = "".join(
        f'<th{_side(rows, place)} aria-sort="none"><button>{escaped(title)}</button></th>'
        for place, title in enumerate(titles)
    )
    body = "".join(f"<tr>{''.join(cell.html for cell in row)}</tr>\n" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n'
    )


def _side(rows: Sequence[Sequence[Cell]], place: int) -> str:
    return ' class="text"' if rows and rows[0][place].left else ""


def _changes(sections: dict[str, Changes]) -> str:
    told = ""
    for name, found in sections.items():
        told += f"<h3>{escaped(name)}</h3>\n"
        if not found:
            told += "<p>the same</p>\n"
            continue
        lines = "".join(
            f"<tr><th>{escaped(key)}</th><td><del>{escaped(old)}</del></td><td><ins>{escaped(new)}</ins></td></tr>\n"
            for key, (old, new) in found.items()
        )
        told += f'<div class="scroll"><table class="changes"><tbody>\n{lines}</tbody></table></div>\n'
    return told


def _link(address: str, told: str) -> str:
    known = f" ({escaped(told)})" if told else ""
    return f'<p><a href="{escaped(address)}">the runs side by side</a>{known}</p>\n'
