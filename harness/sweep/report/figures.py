"""Figure: the pictures of a report, in Plotly's own JSON.

Plain dictionaries, {"data": …, "layout": …}: the page brings the colours of text and grid, and Plotly is
needed by the reader's browser alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from harness.console.text_format import duration
from harness.sweep.report.axis_scale import Scale, safe
from harness.sweep.study.snapshot import Objective, Row, Snapshot, brief, score

Figure = dict[str, Any]

BLUE, ORANGE, GREEN, RED, GREY = "#4a86e8", "#ee8a35", "#35a06a", "#e0524d", "#8a93a0"
STATES = {"complete": GREEN, "pruned": ORANGE, "failed": RED, "running": BLUE, "waiting": GREY}
SCALE = [[0.0, "#f08c3a"], [0.5, "#b069c8"], [1.0, "#4a86e8"]]
"""From best to worst; each is seen on a light and on a dark page."""

MOST_CURVES = 300
"""More curves than this no eye tells apart, and a browser draws them slowly."""

_MOST_MARKS = 2000

_GROUND = {"yaxis2": {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}}
"""An axis on whose ground stands what has no value: a pruned trial's last score is of an earlier step."""


def history(snapshot: Snapshot, place: int) -> Figure:
    """Each complete trial's value of one objective, and the best so far."""
    objective = snapshot.objectives[place]
    rows = complete(snapshot)
    sound = [row for row in rows if row.feasible]
    data = [_dots(snapshot, sound, "number", place, "trials", BLUE)]
    others = [row for row in rows if not row.feasible]
    if others:
        data.append(_dots(snapshot, others, "number", place, "break a constraint", GREY, "circle-open"))
    values = [row.values[place] for row in sound if row.values]
    better = list(itertools.accumulate(values, objective.better))
    line = {"type": "scatter", "mode": "lines", "name": "best so far", "hoverinfo": "skip"}
    shape = {"color": ORANGE, "width": 2.5, "shape": "hv"}
    data.append({**line, "x": [row.number for row in sound], "y": better, "line": shape})
    ticks = _ticks(snapshot, pruned(snapshot), "number")
    up = {"title": {"text": safe(objective.name)}}
    return _figure(data + ticks, {"title": {"text": "trial"}}, up, **_GROUND)


def parallel(snapshot: Snapshot, scales: Sequence[Scale], place: int) -> Figure:
    """A line per complete trial through its values, coloured by one objective."""
    objective, rows = snapshot.objectives[place], complete(snapshot)
    values = [row.values[place] for row in rows if row.values]
    columns = [scale.column(rows) for scale in scales if any(scale.key in row.point for row in rows)]
    score = {"label": safe(objective.name), "values": values}
    trace = {
        "type": "parcoords",
        "line": {"color": values, "colorscale": SCALE, "reversescale": objective.direction == "maximize"},
        "dimensions": [*columns, score],
        "labelangle": -15,
        "labelside": "top",
        "rangefont": {"color": "rgba(0,0,0,0)"},  # the ticks say it in fewer digits
    }
    layout = {"margin": {"l": 70, "r": 60, "t": 80, "b": 30}, "height": 420}
    return {"data": [trace], "layout": layout}


def slice_of(snapshot: Snapshot, scale: Scale, place: int) -> Figure:
    """One objective over one dimension; the later a trial, the stronger its colour. Pruned ones are ticks."""
    rows = [row for row in complete(snapshot) if scale.key in row.point]
    dots = _dots(snapshot, rows, scale, place, "trials", BLUE)
    dots["hovertext"] = [f"trial {row.number}: {safe(brief(row.point[scale.key]))}" for row in rows]
    dots["marker"] |= {
        "color": [row.number for row in rows],
        "colorscale": [[0.0, "#9db8e8"], [1.0, "#d9561c"]],
        "showscale": False,
    }
    room = {"margin": {"l": 55, "r": 15, "t": 12, "b": 50}}
    names = [objective.name for objective in snapshot.objectives]
    up = {} if len(names) == 1 else {"title": {"text": safe(names[place])}}
    stopped = [row for row in pruned(snapshot) if scale.key in row.point]
    data = [dots, *_ticks(snapshot, stopped, scale)]
    return _figure(data, scale.layout, up, height=260, showlegend=False, **room, **_GROUND)


def importance(shares: dict[str, float]) -> Figure:
    """What share of the differences each dimension accounts for, by its name."""
    names = sorted(shares, key=lambda name: shares[name])
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [shares[name] for name in names],
        "y": [safe(name) for name in names],
        "text": [f"{shares[name]:.0%}" for name in names],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": BLUE},
        "hoverinfo": "skip",
    }
    longest = max(shares.values(), default=1.0)
    share = {"title": {"text": "share"}, "tickformat": ".0%", "range": [0, 1.15 * longest]}
    height = max(220, 90 + 34 * len(names))
    room = {"margin": {"l": 70, "r": 20, "t": 12, "b": 55}}
    return _figure([bars], share, {"type": "category"}, height=height, showlegend=False, **room)


def front(snapshot: Snapshot, across: int, up: int) -> Figure:
    """Two objectives against each other, with the trials of the Pareto front marked."""
    best = snapshot.best
    numbers = {row.number for row in best}
    others = [row for row in complete(snapshot) if row.number not in numbers]
    data = []
    for rows, name, colour in ((others, "other trials", GREY), (best, "Pareto front", ORANGE)):
        dots = _dots(snapshot, rows, "number", up, name, colour)
        data.append({**dots, "x": [row.values[across] for row in rows if row.values]})
    x, y = ({"title": {"text": safe(snapshot.objectives[place].name)}} for place in (across, up))
    return _figure(data, x, y)


def curves(snapshot: Snapshot) -> Figure:
    """What each trial reported on the way, pruned ones lighter, the best on top."""
    rows = curved(snapshot)
    best = snapshot.best[0] if snapshot.best else None
    rows = rows[:: max(1, -(-len(rows) // MOST_CURVES))]
    groups = [
        ("pruned", [row for row in rows if row.state == "pruned"], {"color": ORANGE, "width": 1}, 0.45),
        ("failed", [row for row in rows if row.state == "failed"], {"color": RED, "width": 1}, 0.45),
        (
            "running",
            [row for row in rows if row.state in ("running", "waiting")],
            {"color": GREY, "width": 1},
            0.6,
        ),
        ("complete", [row for row in rows if row.state == "complete"], {"color": BLUE, "width": 1.5}, 0.8),
        ("best", [best] if best is not None and best.reports else [], {"color": GREEN, "width": 3}, 1.0),
    ]
    data = [_lines(name, found, line, opacity) for name, found, line, opacity in groups if found]
    objective = {"title": {"text": safe(snapshot.objectives[0].name)}}
    return _figure(data, {"title": {"text": "step"}, "rangemode": "tozero"}, objective, hovermode="closest")


def curved(snapshot: Snapshot) -> list[Row]:
    """The trials that reported anything on the way."""
    return [row for row in snapshot.rows if row.reports]


def timeline(snapshot: Snapshot) -> Figure:
    """A bar per trial on the row of its worker."""
    rows = [row for row in snapshot.rows if row.begun is not None and row.worker is not None]
    last = max((row.ended or row.begun for row in rows if row.begun), default=None)
    data = []
    for state, colour in STATES.items():
        found = [row for row in rows if row.state == state]
        spans = [(row.begun, row.ended or last) for row in found]
        lengths = [(end - begun).total_seconds() for begun, end in spans if begun and end]
        told = zip(found, lengths, strict=True)
        bars = {
            "type": "bar",
            "orientation": "h",
            "name": state,
            "y": [safe(row.worker or "") for row in found],
            "base": [begun.isoformat(timespec="milliseconds") for begun, _ in spans if begun],
            "x": [1000 * length for length in lengths],
            "hovertext": [
                f"trial {row.number}, {duration(s)}<br>{safe(snapshot.told(row))}" for row, s in told
            ],
            "hoverinfo": "text",
            "marker": {"color": colour, "line": {"width": 0.5, "color": "rgba(128,128,128,0.6)"}},
        }
        data += [bars] if found else []
    workers = sorted({row.worker or "" for row in rows}, reverse=True)
    rows_of = {"type": "category", "categoryarray": [safe(worker) for worker in workers]}
    height = max(240, 130 + 28 * len(workers))
    layout = {"barmode": "overlay", "bargap": 0.25}
    return _figure(data, {"type": "date"}, {**rows_of, "categoryorder": "array"}, height=height, **layout)


def complete(snapshot: Snapshot) -> list[Row]:
    return [row for row in snapshot.rows if row.state == "complete" and row.values is not None]


def pruned(snapshot: Snapshot) -> list[Row]:
    return [row for row in snapshot.rows if row.state == "pruned"]


def _ticks(snapshot: Snapshot, rows: Sequence[Row], across: Scale | str) -> list[dict[str, Any]]:
    """A tick on the ground per trial; no trace where there is none."""
    if not rows:
        return []
    marks = {"symbol": "line-ns-open", "size": 9, "color": GREY, "line": {"width": 1.5, "color": GREY}}
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": "pruned",
        "x": [_across(row, across) for row in rows],
        "y": [0.025] * len(rows),
        "yaxis": "y2",
        "hovertext": [_about(row, snapshot) for row in rows],
        "hoverinfo": "text",
        "marker": marks,
    }
    return [trace]


def _across(row: Row, across: Scale | str) -> Any:
    """Where a trial stands: by its number, or by its value of a dimension."""
    return row.number if isinstance(across, str) else across.place(row.point[across.key])


def _dots(
    snapshot: Snapshot,
    rows: Sequence[Row],
    across: Scale | str,
    place: int,
    name: str,
    colour: str,
    symbol: str = "circle",
) -> dict[str, Any]:
    """A dot per trial: over its number, or over a dimension."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [_across(row, across) for row in rows],
        "y": [row.values[place] for row in rows if row.values],
        "hovertext": [_about(row, snapshot) for row in rows],
        "hoverinfo": "text",
        "marker": {"color": colour, "size": 8, "opacity": 0.85, "symbol": symbol},
    }


def _about(row: Row, snapshot: Snapshot) -> str:
    """What stands beside a trial's dot."""
    values = [_value(o, v) for o, v in zip(snapshot.objectives, row.values or (), strict=False)]
    if row.state == "pruned" and row.reports:
        step, last = row.reports[-1]
        values = [f"pruned at step {step}, with {_value(snapshot.objectives[0], last)}"]
    return "<br>".join([f"<b>trial {row.number}</b>", *values, *map(safe, snapshot.parts(row))])


def _value(objective: Objective, value: float) -> str:
    return f"{safe(objective.name)} {score(value)}"


def _lines(name: str, rows: Sequence[Row], line: dict[str, Any], opacity: float) -> dict[str, Any]:
    """Many curves in one trace, with gaps between them: a browser draws one trace much sooner than many."""
    points = [
        point for row in rows for point in [*((row.number, *report) for report in row.reports), (None,) * 3]
    ]
    return {
        "type": "scatter",
        "mode": "lines" if len(points) > _MOST_MARKS else "lines+markers",  # a dot shows a curve of one step
        "marker": {"size": 4, "color": line["color"]},
        "name": name,
        "x": [step for _, step, _ in points],
        "y": [value for _, _, value in points],
        "customdata": [trial for trial, _, _ in points],
        "hovertemplate": "trial %{customdata}, step %{x}: %{y:.4g}<extra></extra>",
        "line": line,
        "opacity": opacity,
        "connectgaps": False,
    }


def _figure(data: list[dict[str, Any]], x: dict[str, Any], y: dict[str, Any], **layout: Any) -> Figure:
    below = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    fixed = {
        "height": 380,
        "margin": {"l": 70, "r": 20, "t": 40, "b": 55},
        "legend": below,
        "showlegend": True,
    }
    return {"data": data, "layout": {**fixed, "xaxis": x, "yaxis": y, **layout}}
