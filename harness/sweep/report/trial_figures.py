"""The interactive figures of a sweep's page: which trials, and which of their values, each one shows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from harness.console.text_format import duration
from harness.report.html import plotly_figure as plotly
from harness.report.html.plotly_figure import (
    BLUE,
    CYAN,
    GREEN,
    GREY,
    ORANGE,
    RED,
    PlotlyFigure,
    Trace,
    escaped,
)
from harness.sweep.report.axis_scale import Scale
from harness.sweep.study.snapshot import STOPPED, Objective, Row, Snapshot, brief, score

STATES = {
    "complete": GREEN,
    "frozen": CYAN,
    "pruned": ORANGE,
    "failed": RED,
    "running": BLUE,
    "waiting": GREY,
}

MOST_CURVES = 300
"""More curves than this cannot be distinguished, and a browser draws them slowly."""

_MOST_MARKS = 2000


def history(snapshot: Snapshot, place: int) -> PlotlyFigure:
    """The value of one objective of each complete trial, and the best so far."""
    objective, rows = snapshot.objectives[place], complete(snapshot)
    feasible = [row for row in rows if row.feasible]
    others = [row for row in rows if not row.feasible]
    data = [_dots(snapshot, feasible, "number", place, "trials", color=BLUE)]
    if others:
        style = {"color": GREY, "symbol": "circle-open"}
        data.append(_dots(snapshot, others, "number", place, "break a constraint", **style))
    values = [row.values[place] for row in feasible if row.values]
    line: Trace = {"type": "scatter", "mode": "lines", "name": "best so far", "hoverinfo": "skip"}
    line |= {"line": {"color": ORANGE, "width": 2.5, "shape": "hv"}, "x": [row.number for row in feasible]}
    data.append({**line, "y": list(itertools.accumulate(values, objective.better))})
    data += _stopped_ticks(snapshot, stopped(snapshot), "number")
    return plotly.figure(data, plotly.axis("trial"), plotly.axis(objective.name), **plotly.TICK_AXIS)


def parallel(snapshot: Snapshot, scales: Sequence[Scale], place: int) -> PlotlyFigure:
    """A line per complete trial through its values, coloured by one objective."""
    objective, rows = snapshot.objectives[place], complete(snapshot)
    values = [row.values[place] for row in rows if row.values]
    columns = [scale.column(rows) for scale in scales if any(scale.key in row.point for row in rows)]
    columns.append({"label": escaped(objective.name), "values": values})
    return plotly.parallel_lines(columns, values, objective.direction == "maximize")


def slice_of(snapshot: Snapshot, scale: Scale, place: int) -> PlotlyFigure:
    """One objective over one dimension. Later trials have a stronger colour; pruned ones are ticks."""
    rows = [row for row in complete(snapshot) if scale.key in row.point]
    numbers = [row.number for row in rows]
    colours = {"color": numbers, "colorscale": [[0.0, "#9db8e8"], [1.0, "#d9561c"]], "showscale": False}
    dots = _dots(snapshot, rows, scale, place, "trials", **colours)
    dots["hovertext"] = [f"trial {row.number}: {escaped(brief(row.point[scale.key]))}" for row in rows]
    names = [objective.name for objective in snapshot.objectives]
    up = {} if len(names) == 1 else plotly.axis(names[place])
    without = [row for row in stopped(snapshot) if scale.key in row.point]
    data = [dots, *_stopped_ticks(snapshot, without, scale)]
    layout = {"height": 260, "showlegend": False, "margin": {"l": 55, "r": 15, "t": 12, "b": 50}}
    return plotly.figure(data, scale.axis, up, **layout, **plotly.TICK_AXIS)


def importance(shares: dict[str, float], objective: str) -> PlotlyFigure:
    """The share of the differences that each dimension accounts for, by its name."""
    names = sorted(shares, key=lambda name: shares[name])
    values = [shares[name] for name in names]
    text = {"text": [f"{value:.0%}" for value in values], "textposition": "outside", "cliponaxis": False}
    bars = plotly.bars(names, values, marker={"color": BLUE}, hoverinfo="skip", **text)
    share = plotly.axis(f"share in {objective}", tickformat=".0%", range=[0, 1.15 * max(values, default=1.0)])
    layout = {"height": max(220, 90 + 34 * len(names)), "margin": {"l": 70, "r": 20, "t": 12, "b": 55}}
    return plotly.figure([bars], share, {"type": "category"}, showlegend=False, **layout)


def front(snapshot: Snapshot, across: int, up: int) -> PlotlyFigure:
    """Two objectives against each other, with the trials of the Pareto front marked."""
    best = snapshot.best
    numbers = {row.number for row in best}
    others = [row for row in complete(snapshot) if row.number not in numbers]
    data = []
    for rows, name, colour in ((others, "other trials", GREY), (best, "Pareto front", ORANGE)):
        dots = _dots(snapshot, rows, "number", up, name, color=colour)
        data.append({**dots, "x": [row.values[across] for row in rows if row.values]})
    x, y = (plotly.axis(snapshot.objectives[place].name) for place in (across, up))
    return plotly.figure(data, x, y)


def curves(snapshot: Snapshot) -> PlotlyFigure:
    """The values that each trial reported; trials that were stopped lighter, the best one on top."""
    rows = curved(snapshot)
    best = snapshot.best[0] if snapshot.best else None
    rows = rows[:: max(1, -(-len(rows) // MOST_CURVES))]
    states: tuple[tuple[str, tuple[str, ...], str, float, float], ...] = (
        ("pruned", ("pruned",), ORANGE, 1, 0.45),
        ("frozen", ("frozen",), CYAN, 1, 0.45),
        ("failed", ("failed",), RED, 1, 0.45),
        ("running", ("running", "waiting"), GREY, 1, 0.6),
        ("complete", ("complete",), BLUE, 1.5, 0.8),
    )
    data = []
    for name, kinds, colour, width, opacity in states:
        drawn = [row for row in rows if row.state in kinds]
        data += [_lines(name, drawn, {"color": colour, "width": width}, opacity)] if drawn else []
    if best is not None and best.reports:
        data.append(_lines("best", [best], {"color": GREEN, "width": 3}, 1.0))
    x = plotly.axis("step", rangemode="tozero")
    return plotly.figure(data, x, plotly.axis(snapshot.reported.name), hovermode="closest")


def curved(snapshot: Snapshot) -> list[Row]:
    """The trials that reported intermediate values."""
    return [row for row in snapshot.rows if row.reports]


def timeline(snapshot: Snapshot) -> PlotlyFigure:
    """A bar per trial in the line of its worker."""
    rows = [row for row in snapshot.rows if row.begun is not None and row.worker is not None]
    last = max((row.ended or row.begun for row in rows if row.begun), default=None)
    border = {"width": 0.5, "color": "rgba(128,128,128,0.6)"}
    data = []
    for state, colour in STATES.items():
        drawn = [row for row in rows if row.state == state]
        spans = [(row.begun, row.ended or last) for row in drawn]
        seconds = [(end - begun).total_seconds() for begun, end in spans if begun and end]
        about = [
            f"trial {row.number}, {duration(length)}<br>{escaped(snapshot.describe(row))}"
            for row, length in zip(drawn, seconds, strict=True)
        ]
        bars = plotly.bars(
            [row.worker or "" for row in drawn],
            [1000 * length for length in seconds],
            name=state,
            base=[begun.isoformat(timespec="milliseconds") for begun, _ in spans if begun],
            hovertext=about,
            hoverinfo="text",
            marker={"color": colour, "line": border},
        )
        data += [bars] if drawn else []
    workers = sorted({row.worker or "" for row in rows}, reverse=True)
    layout = {"barmode": "overlay", "bargap": 0.25, "height": max(240, 130 + 28 * len(workers))}
    return plotly.figure(data, {"type": "date"}, plotly.categories(workers), **layout)


def complete(snapshot: Snapshot) -> list[Row]:
    return [row for row in snapshot.rows if row.state == "complete" and row.values is not None]


def stopped(snapshot: Snapshot) -> list[Row]:
    return [row for row in snapshot.rows if row.state in STOPPED]


def _stopped_ticks(snapshot: Snapshot, rows: Sequence[Row], across: Scale | str) -> list[Trace]:
    """A trial that was stopped has no final value, so it is a tick at the bottom of the figure."""
    parts = {state: [row for row in rows if row.state == state] for state in STOPPED}
    return [
        plotly.ticks(state, [_across(row, across) for row in own], _abouts(snapshot, own))
        for state, own in parts.items()
        if own
    ]


def _across(row: Row, across: Scale | str) -> Any:
    """The horizontal position of a trial: its number, or its value of a dimension."""
    return row.number if isinstance(across, str) else across.place(row.point[across.key])


def _dots(
    snapshot: Snapshot, rows: Sequence[Row], across: Scale | str, place: int, name: str, **marker: Any
) -> Trace:
    values = [row.values[place] for row in rows if row.values]
    return plotly.dots(
        name, [_across(row, across) for row in rows], values, _abouts(snapshot, rows), **marker
    )


def _abouts(snapshot: Snapshot, rows: Sequence[Row]) -> list[str]:
    return [_about(row, snapshot) for row in rows]


def _about(row: Row, snapshot: Snapshot) -> str:
    """The tooltip of a trial."""
    values = [_value(o, v) for o, v in zip(snapshot.objectives, row.values or (), strict=False)]
    if row.state in STOPPED and row.reports:
        step, last = row.reports[-1]
        values = [f"{row.state} at step {step}, with {_value(snapshot.reported, last)}"]
    return "<br>".join([f"<b>trial {row.number}</b>", *values, *map(escaped, snapshot.parts(row))])


def _value(objective: Objective, value: float) -> str:
    return f"{escaped(objective.name)} {score(value)}"


def _lines(name: str, rows: Sequence[Row], line: dict[str, Any], opacity: float) -> Trace:
    """Many curves in one trace with gaps between them: a browser draws that faster than many traces."""
    points = [
        point for row in rows for point in [*((row.number, *report) for report in row.reports), (None,) * 3]
    ]
    return {
        "type": "scatter",
        # A marker shows a curve of one step.
        "mode": "lines" if len(points) > _MOST_MARKS else "lines+markers",
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
