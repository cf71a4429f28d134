"""Turns a `Page` into one HTML file that needs no network. The only module that uses Jinja2."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from harness.report.html import plotly_figure
from harness.report.html.page_parts import Block, Cell, Details, Figure, Interactive, Page
from harness.report.html.page_text import printable

_TOP = 48.0
"""Where the first drawing of an SVG file begins, below its title and caption, in pixels."""


def render(page: Page) -> str:
    """The whole file. It loads no address, and no text of it is taken for markup."""
    figures = [
        figure for block in _blocks(page) if isinstance(block, Interactive) for figure in block.figures
    ]
    return str(
        _environment()
        .get_template("frame.html.j2")
        .render(page=page, plotly=plotly_figure.script(figures), alone=False)
    )


def render_drawings(title: str, figures: Sequence[Figure]) -> str:
    """The figures side by side as one SVG file, in light colours: what is logged to MLflow."""
    placed, x, bottom = [], 0.0, 0.0
    for figure in figures:
        y = _TOP
        for drawing in figure.drawings:
            placed.append((x, y, figure.caption if y == _TOP else "", drawing))
            y += drawing.size[1]
        x += max(drawing.size[0] for drawing in figure.drawings)
        bottom = max(bottom, y)
    template = _environment().get_template("drawings.svg.j2")
    return str(template.render(title=title, placed=placed, width=x, height=bottom + 8, alone=True))


def _blocks(page: Page) -> Iterator[Block]:
    for section in page.sections:
        yield from _within(section.blocks)


def _within(blocks: Sequence[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Details):
            yield from _within(block.blocks)


def _cell(cell: object) -> Cell:
    return cell if isinstance(cell, Cell) else Cell(cell)


def _sort_key(cell: Cell) -> str | None:
    """What the page's script sorts a cell by; None: by its text."""
    if isinstance(cell.sort, float):
        return "" if math.isnan(cell.sort) else repr(cell.sort)
    return None if cell.sort is None else str(cell.sort)


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": _cell, "sort_key": _sort_key}
    return environment
