"""Table: what of a report is text. All of it is escaped here."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence

from harness.console.text_format import duration
from harness.runtime.redact import mask_urls
from harness.sweep.study.snapshot import Row, Snapshot, brief, score

MOST_BEST, MOST_FAILURES = 10, 100


def summary(snapshot: Snapshot, about: Mapping[str, str]) -> str:
    """The figures that are looked for first, then a line per fact."""
    ended = f"{snapshot.ended}" + (f" / {snapshot.trials}" if snapshot.trials is not None else "")
    tiles = [*_reached(snapshot), ("trials ended", ended)]
    tiles += [(name, str(count)) for name, count in snapshot.counts.items() if count]
    tiles += [] if (wall := _wall(snapshot)) is None else [("first to last trial", duration(wall))]
    cells = "".join(
        f"<div><b>{escaped(value)}</b><span>{escaped(name)}</span></div>" for name, value in tiles
    )
    facts = "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(fact)}</dd>" for name, fact in about.items())
    return f'<div class="tiles">{cells}</div>' + (f'<dl class="facts">{facts}</dl>' if facts else "")


def _reached(snapshot: Snapshot) -> list[tuple[str, str]]:
    best = snapshot.best
    if not best:
        return []
    if len(snapshot.objectives) > 1:
        return [("trials on the front", str(len(best)))]
    return [(f"best {snapshot.objectives[0].name}", score((best[0].values or (math.nan,))[0]))]


def _wall(snapshot: Snapshot) -> float | None:
    """Seconds from the first trial's beginning to the last one's end."""
    begun = [row.begun for row in snapshot.rows if row.begun is not None]
    ended = [row.ended for row in snapshot.rows if row.ended is not None]
    return (max(ended) - min(begun)).total_seconds() if begun and ended else None


def best(snapshot: Snapshot, rows: Sequence[Row], command: Callable[[Row], str]) -> str:
    """The best with their commands; of a single objective, those that came next in a table below."""
    if len(snapshot.objectives) > 1:
        return (
            _trials(snapshot, rows[:MOST_BEST])
            + _more(len(rows) - MOST_BEST, "best.yaml")
            + _commands(rows, command)
        )
    top = sorted((row for row in snapshot.rows if row.state == "complete" and row.values), key=snapshot.cost)
    first = rows[0]
    others = [first, *(row for row in top if row.feasible and row.number != first.number)]
    return _commands(rows, command) + _trials(snapshot, others[:MOST_BEST])


def _commands(rows: Sequence[Row], command: Callable[[Row], str]) -> str:
    return "".join(
        f'<p class="lead">Trial {row.number} again, without the sweep:</p><pre>{escaped(command(row))}</pre>'
        for row in rows[:3]
    )


def _trials(snapshot: Snapshot, rows: Sequence[Row]) -> str:
    """A line per trial, with every dimension by its full name on hovering."""
    keys = [(f'<th title="{escaped(key)}">{escaped(name)}</th>') for key, name in snapshot.names.items()]
    names = [f"<th>{escaped(objective.name)}</th>" for objective in snapshot.objectives]
    lines = []
    for row in rows:
        values = [score(value) for value in row.values or ()]
        point = [brief(row.point[key]) if key in row.point else "" for key in snapshot.keys]
        seconds = "" if row.seconds is None else duration(row.seconds)
        lines.append(_line([str(row.number), *values, *point, seconds]))
    return _table(["<th>trial</th>", *names, *keys, "<th>time</th>"], lines)


def failures(snapshot: Snapshot) -> str:
    """What went wrong, the newest first."""
    rows = [row for row in reversed(snapshot.history) if row.state == "failed"]
    lines = [
        _line(
            [str(row.number), row.worker or "", snapshot.told(row), mask_urls(row.error or "no reason given")]
        )
        for row in rows[:MOST_FAILURES]
    ]
    titles = [f"<th>{title}</th>" for title in ("trial", "worker", "point", "error")]
    return _table(titles, lines, "told") + _more(len(rows) - MOST_FAILURES, "trials.csv")


def _more(count: int, file: str) -> str:
    return f"<p>And {count} more, in {file}.</p>" if count > 0 else ""


def _line(cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in cells) + "</tr>"


def _table(titles: Sequence[str], lines: Sequence[str], kind: str = "numbers") -> str:
    head, body = "".join(titles), "".join(lines)
    rows = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="scroll"><table class="{kind}">{rows}</table></div>'


def escaped(text: str) -> str:
    return html.escape(text, quote=True)
