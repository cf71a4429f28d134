"""Interactive figures in Plotly's JSON, and the script that draws them in the reader's browser.

Only this module and `draw_figures.js` know Plotly. A sweep's page uses it for what static SVG cannot do:
choosing lines of parallel coordinates, zooming, and the full point of a trial beside its dot.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

PlotlyFigure = dict[str, Any]
"""{"data": [trace, ...], "layout": {...}}; colours of text and grid come from the page."""

Trace = dict[str, Any]

BLUE, ORANGE, GREEN, RED, GREY = "#4a86e8", "#ee8a35", "#35a06a", "#e0524d", "#8a93a0"
CYAN = "#2aa5b8"
BEST_TO_WORST = [[0.0, "#f08c3a"], [0.5, "#b069c8"], [1.0, "#4a86e8"]]
"""Colours that are visible on a light and on a dark page."""


def figure(data: Sequence[Trace], x: dict[str, Any], y: dict[str, Any], **layout: Any) -> PlotlyFigure:
    """Traces on two axes."""
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    margin = {"l": 70, "r": 20, "t": 40, "b": 55}
    usual = {"height": 380, "margin": margin, "legend": legend, "showlegend": True}
    return {"data": list(data), "layout": {**usual, "xaxis": x, "yaxis": y, **layout}}


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with a title."""
    return {"title": {"text": escaped(title)}, **more}


def categories(names: Sequence[str], **more: Any) -> dict[str, Any]:
    """An axis of names in this order."""
    order = {"categoryorder": "array", "categoryarray": [escaped(name) for name in names]}
    return {"type": "category", **order, **more}


def dots(name: str, x: Sequence[Any], y: Sequence[Any], hover: Sequence[str], **marker: Any) -> Trace:
    """A dot per point; `hover` is its tooltip, one HTML line break per line, escaped by `escaped`."""
    trace = {"type": "scatter", "mode": "markers", "name": name, "x": list(x), "y": list(y)}
    style = {"size": 8, "opacity": 0.85, "symbol": "circle", **marker}
    return {**trace, "hovertext": list(hover), "hoverinfo": "text", "marker": style}


def ticks(name: str, x: Sequence[Any], hover: Sequence[str]) -> Trace:
    """A short line at the bottom of the figure per value; needs `TICK_AXIS` in the layout."""
    line = {"width": 1.5, "color": GREY}
    trace = dots(name, x, [0.025] * len(x), hover, symbol="line-ns-open", size=9, color=GREY, line=line)
    return {**trace, "yaxis": "y2"}


TICK_AXIS = {"yaxis2": {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}}


def bars(y: Sequence[str], x: Sequence[float], **more: Any) -> Trace:
    """A horizontal bar per name."""
    names = [escaped(name) for name in y]
    return {"type": "bar", "orientation": "h", "y": names, "x": list(x), **more}


def parallel_lines(
    columns: Sequence[dict[str, Any]], values: Sequence[float], high_is_good: bool
) -> PlotlyFigure:
    """A line per row of the columns, coloured by its value."""
    line = {"color": list(values), "colorscale": BEST_TO_WORST, "reversescale": high_is_good}
    trace = {"type": "parcoords", "line": line, "dimensions": list(columns), "labelangle": -50}
    trace |= {"labelside": "top", "rangefont": {"color": "rgba(0,0,0,0)"}}  # the ticks have fewer digits
    return {"data": [trace], "layout": {"margin": {"l": 50, "r": 55, "t": 100, "b": 30}, "height": 420}}


def escaped(text: str) -> str:
    """A text that neither the browser nor Plotly takes for a tag."""
    return html.escape(text, quote=False)


@dataclass(frozen=True)
class Script:
    """What a page with interactive figures contains: Plotly itself, and the figures as JSON."""

    library: Markup
    figures: Markup


def script(figures: Sequence[PlotlyFigure]) -> Script | None:
    """None without figures. The list is in the order of the places `<div class="figure">` on the page."""
    if not figures:
        return None
    from plotly.offline import get_plotlyjs

    # Within a script no text may look like a tag.
    data = json.dumps(_finite(figures), allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return Script(Markup(get_plotlyjs()), Markup(data))


def _finite(node: Any) -> Any:
    """The same with None, which Plotly leaves out, for NaN and infinities, which JSON cannot write."""
    if isinstance(node, dict):
        return {key: _finite(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_finite(value) for value in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node
