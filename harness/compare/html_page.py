"""The page of a comparison: leaderboard, paired tests, and what two runs differ in."""

from __future__ import annotations

import math

from markupsafe import Markup

from harness.compare.compare_runs import Comparison
from harness.compare.leaderboard import Leaderboard, LeaderboardRow, counted
from harness.compare.paired_tests import PairedTest
from harness.compare.parameter_differences import most_telling, rounded
from harness.compare.ranking_score import Interval
from harness.compare.reading_notes import notes
from harness.compare.terminal_table import baseline_lines, brief, effect, p_value, signed, whole
from harness.console.text_format import duration, number
from harness.core.name_list import listed
from harness.report.html.chart import interval_bar
from harness.report.html.page_parts import Block, Cell, Changes, Heading, Link, Page, Section, Table, Text
from harness.report.html.page_text import escape
from harness.report.html.render_page import render

_MOST_PARAMETERS = 10
_MOST_NAMED = 20


def comparison_page(comparison: Comparison) -> str:
    """The whole file."""
    title = " · ".join(_counted(board) for board in comparison.boards)
    sections = [
        section for board in comparison.boards for section in _sections(board, len(comparison.boards))
    ]
    if remarks := [Text(remark) for remark in comparison.remarks]:
        sections.append(Section("Data sets", "", remarks))
    if worth := [Text(sentence) for sentence in comparison.worth]:
        sections.append(Section("What the best score of a sweep is worth", "", worth))
    if comparison.pair is not None:
        blocks: list[Block] = []
        for name, changes in comparison.changes.items():
            blocks += [Heading(name), Changes(changes) if changes else Text("the same")]
        sections.append(Section(" → ".join(comparison.pair), "", blocks))
    if comparison.links:
        links = [Link(address, "the runs side by side", remark) for address, remark in comparison.links]
        sections.append(Section("MLflow", "", links))
    return render(Page(title, "compare", sections))


def _counted(board: Leaderboard) -> str:
    count = len(board.rows)
    return f"{count} {'line' if count == 1 else 'lines'} by {board.score}"


def _sections(board: Leaderboard, boards: int) -> list[Section]:
    of = f": {board.data}" if boards > 1 else ""
    table = Section(f"Leaderboard{of}", "", [_leaderboard(board), *map(Text, _below(board))])
    remarks = [Text(note) for note in notes(board)]
    if len(board.rows) > 1:
        return [table, Section(f"Paired tests against the best{of}", "", [_tests(board), *remarks])]
    return [table, Section(f"Notes{of}", "", remarks)]


def _below(board: Leaderboard) -> list[str]:
    skipped = [f"not ranked: {counted(board.unranked)}"] if board.unranked else []
    hidden = [name for key, name in board.names.items() if key not in _shown(board)]
    more = [f"settings without a column: {listed(hidden, _MOST_NAMED)}; --csv has all"] if hidden else []
    return [*baseline_lines(board), *skipped, *more]


def _shown(board: Leaderboard) -> dict[str, list[str]]:
    """The settings that have a column, so that the table fits a page."""
    return {key: board.parameters[key] for key in most_telling(board.parameters, _MOST_PARAMETERS)}


def _leaderboard(board: Leaderboard) -> Table:
    others = board.others
    scale = _scale(board)
    titles = ["#", "run", "name", "seeds", board.score, "95 % interval", "over folds", "over seeds"]
    shown = {board.names[key]: list(map(brief, rounded(values))) for key, values in _shown(board).items()}
    titles += [*shown, "seconds", "parameters", *(name.partition("/")[2] for name in others)]
    rows = [
        [
            Cell(place + 1),
            Cell(row.label),
            Cell(row.runs[0].name),
            Cell(len(row.runs)),
            Cell(Markup(f"<b>{escape(number(row.score.mean))}</b>"), row.score.mean),
            Cell(_picture(board, row, scale), row.score.mean),
            *(_bounds(interval) for interval in (row.score.over_folds, row.score.over_seeds)),
            *(Cell(values[place]) for values in shown.values()),
            Cell(duration(row.seconds), row.seconds),
            Cell(whole(row.parameters), row.parameters),
            *(_score(row, name) for name in others),
        ]
        for place, row in enumerate(board.rows)
    ]
    # Without the columns that are empty in every line.
    kept = [place for place in range(len(titles)) if any(str(row[place].text) for row in rows)]
    return Table([titles[place] for place in kept], [[row[place] for place in kept] for row in rows], words=3)


def _bounds(interval: Interval | None) -> Cell:
    if interval is None:
        return Cell("", math.nan)
    low, high = interval
    return Cell(f"[{number(low)}, {number(high)}]", low)


def _score(row: LeaderboardRow, name: str) -> Cell:
    mean = row.others[name].mean if name in row.others else math.nan
    return Cell(number(mean), mean)


def _scale(board: Leaderboard) -> Interval:
    """The range that the pictures of all lines share."""
    scores = [row.score for row in board.rows]
    ends = [end for score in scores for pair in (score.over_folds, score.over_seeds) if pair for end in pair]
    points = [point for point in [*ends, *(score.mean for score in scores)] if math.isfinite(point)]
    return (min(points), max(points)) if points else (0.0, 1.0)


def _picture(board: Leaderboard, row: LeaderboardRow, scale: Interval) -> Markup:
    intervals = [("folds", row.score.over_folds), ("seeds", row.score.over_seeds)]
    given = [(style, ends) for style, ends in intervals if ends is not None]
    if not any(other.score.over_folds or other.score.over_seeds for other in board.rows):
        return Markup("")  # of one fold and one seed: dots alone would be called an interval
    return interval_bar(row.score.mean, given, scale, f"{board.score} {number(row.score.mean)}")


def _tests(board: Leaderboard) -> Table:
    titles = ["#", "run", "test", "effect size", "pairs", "difference", "effect", "p", "p (Holm)"]
    best = board.rows[0].score.mean
    rows = []
    for place, row in enumerate(board.rows[1:], 2):
        gap, tested = row.score.mean - best, row.tested
        difference = Cell(signed(gap), gap)
        if isinstance(tested, PairedTest):
            measures = [Cell(effect(row), tested.effect), Cell(number(tested.p), tested.p)]
            cells = [tested.test, tested.size, tested.pairs, difference, *measures, Cell(p_value(row), row.p)]
        else:
            cells = [Cell(f"- ({tested})", ""), "", "", difference, *[Cell("", math.nan)] * 3]
        rows.append([place, row.label, *cells])
    return Table(titles, rows, words=4)
