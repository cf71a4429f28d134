"""Numbers, durations and tables as text: the same for a terminal and for a log file.

Without rich, because a run that prints to a file or a pipe must not wait for its import.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TextIO

from harness.core.baseline_names import FITTED, baseline_name, kinds, shown_kind, split_baseline
from harness.core.error_text import printable
from harness.core.progress import Progress
from harness.core.scores import direction, repeated_loss
from harness.runs.run_result import Result, Summary
from harness.runtime.closed_pipe import discard

Span = tuple[str, str]
"""A text and its style as rich names it ("bold green"); "" is plain."""

Line = list[Span]

_BEST = "bold green"
_GAP = "  "
_NARROWEST = 8
_BARS = (24, 8)  # the lengths of a progress bar


def number(value: float | None) -> str:
    """Four decimals where they suffice, else three significant digits; `-` for undefined."""
    if value is None or math.isnan(value):
        return "-"
    size = abs(value)
    if value == 0 or 1e-3 <= size < 100:
        return f"{value:.4f}"
    return f"{value:,.2f}" if 100 <= size < 1e6 else f"{value:.2e}"


def selection_sentence(score: str, trials: int, expected: float, ci95: Sequence[float]) -> str:
    """`after choosing among 50 trials expect valid/accuracy 0.9720 [0.9622, 0.9803]`."""
    low, high = ci95
    interval = f"[{number(low)}, {number(high)}]"
    return f"after choosing among {trials} trials expect {score} {number(expected)} {interval}"


def recommendation_sentence(number: int) -> str:
    """`use trial 0, the default: that another trial is better may be chance`."""
    return f"use trial {number}, the default: that another trial is better may be chance"


def file_width() -> int | None:
    """The width that the user sets for files and pipes with the environment variable COLUMNS."""
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() and int(columns) > 0 else None


def terminal_width() -> int | None:
    """That of standard output; None for a file or another program, which takes lines of any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def duration(seconds: float) -> str:
    """`0.8 s`, `42 s`, `3 min 20 s`, `5 h 03 min`."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def printable_line(line: Line) -> Line:
    """The line without characters that control a terminal: names and messages come from the user's code."""
    return [(printable(part), style) for part, style in line]


def plain_text(line: Line, encoding: str) -> str:
    """A line for a file: without styles, and without characters that the encoding lacks."""
    text = "".join(part for part, _ in printable_line(line)).replace("★", "*").rstrip()
    if encoding.lower().replace("-", "") != "utf8":
        text = text.replace("±", "+/-").replace("─", "-")
    return text.encode(encoding, "replace").decode(encoding)


def put(line: Line, stream: TextIO) -> None:
    """Writes a line without styles; nothing after the stream was closed by its reader or a part's code."""
    if stream.closed:
        return
    try:
        stream.write(plain_text(line, stream.encoding or "utf-8") + "\n")
        stream.flush()
    except OSError:  # nobody reads it, or the disk is full: a run must not end with that
        discard(stream)


def fit_bar(texts: Sequence[str], width: int) -> tuple[int, str]:
    """The length of a progress bar and the text behind it that fit beside each other.

    A shorter bar is preferred to a shorter text.

    Args:
        texts: from the longest to the shortest.
        width: in characters.
    """
    sizes = [(bar, text) for text in texts for bar in _BARS]
    return next(((bar, text) for bar, text in sizes if bar + 1 + len(text) <= width), (_BARS[-1], texts[-1]))


def epoch_columns(progress: Progress, monitor: str, width: int) -> list[str]:
    """The scores to print per epoch; where `width` is too small, the least important are dropped."""
    scores = progress.scores
    important = ["epoch", "train/loss", monitor, "time/epoch_seconds", "lr", "valid/loss"]
    others = [name for name in scores if name.startswith("valid/")]
    others += [name for name in scores if name.startswith("train/")]
    # Of two equal columns the one that train has as well, unless the other decides.
    pairs = repeated_loss(scores, lambda name: number(scores[name])).items()
    repeated = [loss if twin == monitor else twin for loss, twin in pairs]
    kept: list[str] = []
    used = len(_GAP)
    for name in dict.fromkeys(important + others):
        if name in repeated:
            continue
        wide = _column_width(name) + len(_GAP)
        if (name in scores or name == "epoch") and used + wide <= width:
            kept.append(name)
            used += wide
    order = {"epoch": 0, "train": 1, "valid": 2, "lr": 3, "time": 4}
    return sorted(kept, key=lambda name: (order.get(name.split("/")[0], 2), name != monitor))


def epoch_header(columns: Sequence[str]) -> list[Line]:
    """Two dim lines: the part above its first column, then the names of the columns."""
    groups, previous = "", ""
    for name in columns:
        part = name.split("/")[0] if name.startswith(("train/", "valid/")) else ""
        groups += _GAP + f"{part if part != previous else '':>{_column_width(name)}}"
        previous = part
    names = "".join(_GAP + f"{_short(name):>{_column_width(name)}}" for name in columns)
    return [[(_GAP + groups, "dim")], [(_GAP + names, "dim")]]


def epoch_row(columns: Sequence[str], progress: Progress, monitor: str) -> Line:
    """The scores of an epoch below `epoch_header`; a star marks the best so far."""
    line: Line = [("★ " if progress.best else _GAP, _BEST)]
    for name in columns:
        style = _BEST if progress.best and name == monitor else ""
        style = "dim" if name in ("lr", "time/epoch_seconds") else style
        line.append((_GAP + f"{_cell(name, progress):>{_column_width(name)}}", style))
    return line


def _cell(name: str, progress: Progress) -> str:
    if name == "epoch":
        return str(progress.epoch)
    value = progress.scores.get(name)
    return f"{value:.2g}" if name == "lr" and value is not None else number(value)


def _short(name: str) -> str:
    return "seconds" if name == "time/epoch_seconds" else name.split("/", 1)[-1]


def _column_width(name: str) -> int:
    return 5 if name == "epoch" else max(len(_short(name)), _NARROWEST)


def fold_columns(titles: Sequence[str], monitor: str, width: int) -> list[str]:
    """The titles of the table of folds, as many as fit; the monitored score is the first score."""
    name = _short(monitor)
    scores = list(headline(dict.fromkeys(titles)))
    others = [title for title in titles if title not in scores]
    scores.sort(key=lambda title: _short(title) != name)
    order = [*others, *scores]
    rows = [title for title in others if "/" in title]  # `train/valid/test`, wider than a score
    kept = [*(title for title in others if title not in rows), *scores[:1], *rows, *scores[1:]]
    while len(kept) > 1 and len(fold_row(kept, kept)) + 14 > width:
        kept.pop()
    return [title for title in order if title in kept]


def fold_row(cells: Sequence[str], titles: Sequence[str]) -> str:
    """Cells aligned to the right below their titles."""
    return _GAP.join(f"{cell:>{max(len(title), 6)}}" for cell, title in zip(cells, titles, strict=True))


def headline(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The test scores, or the valid ones where there is no test part, without baselines."""
    for part in ("test/", "valid/"):
        names = [name for name in scores if name.startswith(part)]
        if names:
            return {name: scores[name] for name in names if split_baseline(name) is None}
    return {}


def score_table(result: Result, width: int | None = None) -> list[Line]:
    """A row per score with its baselines; a star marks the best of each row. [] without scores.

    Args:
        width: in characters; the least important columns are left out until the table fits.
    """
    own = headline(result.scores)
    if not own:
        return []
    repeated = repeated_loss(own, lambda name: _printed(own[name]), (result.objective or {}).get("name", ""))
    own = {name: score for name, score in own.items() if name not in repeated}
    part = next(iter(own)).split("/")[0]
    beside = kinds(own, result.scores)
    over_rows = any("ci95_rows" in score for score in own.values())
    folds = ["std", "95 % interval"] if result.folds > 1 else ["95 % interval"] if over_rows else []
    together = ["pooled"] if any("pooled" in score for score in own.values()) else []
    rows: list[list[Span]] = []
    for name in own:
        compared = [own[name], *(result.scores.get(baseline_name(name, kind)) for kind in beside)]
        best = _best(name, compared)
        model, *others = [_score_cell(score, place == best) for place, score in enumerate(compared)]
        pooled = [(number(own[name].get("pooled")), "")] if together else []
        rows.append([(_short(name), ""), model, *_spread(own[name])[2 - len(folds) :], *pooled, *others])
    titles = [part, "model", *folds, *together, *map(shown_kind, beside)]
    fitted = [kind for kind in reversed(FITTED) if kind in beside]
    strongest = [shown_kind(kind) for kind in [*fitted, *(kind for kind in beside if kind not in FITTED)]]
    droppable = [*together, *reversed(strongest[1:]), *folds, *strongest[:1]]
    lines = table_lines(titles, rows)
    while width is not None and droppable and sum(len(text) for text, _ in lines[0]) > width:
        place = titles.index(droppable.pop(0))
        titles = [*titles[:place], *titles[place + 1 :]]
        rows = [[*row[:place], *row[place + 1 :]] for row in rows]
        lines = table_lines(titles, rows)
    return lines


def _printed(score: Summary) -> list[str]:
    return [number(value) for value in (score["mean"], *score["folds"])]


def _best(name: str, scores: Sequence[Summary | None]) -> int | None:
    """The index of the best mean among a score and its baselines; None with fewer than two."""
    means = [math.nan if score is None or score["mean"] is None else score["mean"] for score in scores]
    places = [place for place, mean in enumerate(means) if not math.isnan(mean)]
    if len(places) < 2:
        return None
    choose = min if direction(name) == "minimize" else max
    return choose(places, key=means.__getitem__)


def _score_cell(score: Summary | None, best: bool) -> Span:
    if score is None:
        return ("", "")
    mark = "★ " if best else "  "
    return (mark + number(score["mean"]), _BEST if best else "")


def _spread(score: Summary) -> list[Span]:
    """`± 0.0112` and `[0.9580, 0.9860]` over folds; of one fold the interval over its rows; empty without."""
    if "ci95_rows" in score:
        low, high = score["ci95_rows"]
        return [("", ""), (f"[{number(low)}, {number(high)}]", "dim")]
    if score["std"] is None or score["ci95"] is None:
        return [("", ""), ("", "")]
    low, high = score["ci95"]
    return [(f"± {number(score['std'])}", "dim"), (f"[{number(low)}, {number(high)}]", "dim")]


def table_lines(titles: Sequence[str], rows: Sequence[Sequence[Span]]) -> list[Line]:
    """A table with a rule below its titles; the first column is aligned to the left, others to the right."""
    gap = "   "
    header, *texts = aligned_cells([list(titles), *([text for text, _ in row] for row in rows)], (0,))
    title = gap.join(header)
    lines: list[Line] = [[(title, "bold")], [("─" * len(title), "dim")]]
    for cells, row in zip(texts, rows, strict=True):
        spaced = [cells[0], *(gap + cell for cell in cells[1:])]
        lines.append([(text, style) for text, (_, style) in zip(spaced, row, strict=True)])
    return lines


def fit_columns(widths: Sequence[int], expendable: Sequence[int], width: int, gap: str = _GAP) -> list[int]:
    """The places of the columns of a table that fit into `width`, all in characters.

    Args:
        widths: of the columns.
        expendable: for each column; that with the highest number is dropped first, and of equal ones the
            last. 0: never.
    """
    kept = list(range(len(widths)))
    while sum(widths[place] + len(gap) for place in kept) - len(gap) > width:
        last = max(kept, key=lambda place: (expendable[place], place), default=None)
        if last is None or not expendable[last]:
            break
        kept.remove(last)
    return kept


def aligned(rows: Sequence[Sequence[str]], left: Collection[int], gap: str = _GAP) -> list[str]:
    """The rows as lines in which the cells of a column are below each other; see `aligned_cells`."""
    return [gap.join(cells) for cells in aligned_cells(rows, left)]


def aligned_cells(rows: Sequence[Sequence[str]], left: Collection[int]) -> list[list[str]]:
    """Pads the cells of each column to one width, columns in `left` on their right side."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        [
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]
