"""Page: sections as one HTML file with everything in it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.sweep.report.figures import Figure
from harness.sweep.report.sweep_style import CSS, SCRIPT
from harness.sweep.report.trial_tables import escaped


@dataclass(frozen=True)
class Section:
    """One part of the page.

    told     a sentence under its title
    figures  in Plotly's JSON
    body     HTML, escaped by whoever made it
    wide     whether it takes the whole width of the page
    tiles    whether its figures are small, and stand beside each other on the whole width
    least    pixels of width below which its figures are scrolled rather than made narrower
    """

    title: str
    told: str = ""
    figures: Sequence[Figure] = field(default=())
    body: str = ""
    wide: bool = False
    tiles: bool = False
    least: int = 0


def page(title: str, sections: Sequence[Section]) -> str:
    """The file: Plotly's script once, then the data of all figures, then what puts the two together.

    The figures' data is JSON in a `<script id="figures">`, a list in the order of the places
    `<div class="figure">` on the page.
    """
    from plotly.offline import get_plotlyjs

    figures = [figure for section in sections for figure in section.figures]
    # Within a script no tag may seem to begin or end, whatever a text of the user's holds.
    data = json.dumps(_strict(figures), allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    drawing = ""
    if figures:
        drawing = (
            f"<script>{get_plotlyjs()}</script>\n"
            f'<script type="application/json" id="figures">{data}</script>\n'
            f"<script>{SCRIPT}</script>\n"
        )
    body = "\n".join(map(_section, sections))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escaped(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        f"<header><p>sweep</p><h1>{escaped(title)}</h1></header>\n<main>\n{body}\n</main>\n{drawing}</body>\n</html>\n"
    )


def _strict(node: Any) -> Any:
    """The same with None for what JSON cannot write, NaN and infinities, which Plotly leaves out."""
    if isinstance(node, dict):
        return {key: _strict(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_strict(value) for value in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node


def _section(section: Section) -> str:
    told = f"<p>{escaped(section.told)}</p>" if section.told else ""
    least = f' style="min-width:{section.least}px"' if section.least else ""
    places = f'<div class="scroll"><div{least}><div class="figure"></div></div></div>' * len(section.figures)
    if section.tiles:
        places = f'<div class="small">{places}</div>'
    # A card of words alone would leave a hole beside a picture.
    wide = section.wide or section.tiles or not section.figures
    kind = ' class="wide"' if wide else ""
    return f"<section{kind}><h2>{escaped(section.title)}</h2>{told}{section.body}{places}</section>"
