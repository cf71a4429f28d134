"""Charts as SVG that take their colours from the style sheet: axes, marks, legends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.report.html.page_text import escape

COLOURS = 10
"""The style sheet has classes s0 to s9 for lines and f0 to f9 for areas and dots."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 14, 44
_LETTER = 6.6  # pixels of an average letter of a legend
_LEGEND_LINE = 18

Range = tuple[float, float]


@dataclass(frozen=True)
class Drawing:
    """An SVG picture.

    size   width and height in pixels
    label  its description for a screen reader
    marks  the SVG elements, with all texts escaped
    """

    size: tuple[float, float]
    label: str
    marks: str

    @property
    def svg(self) -> Markup:
        """The element for a page, which grows and shrinks with the room that it has."""
        width, height = self.size
        box = f'viewBox="0 0 {width:g} {height:g}" style="max-width:{width * 1.35:.0f}px"'
        return Markup(f'<svg {box} role="img" aria-label="{escape(self.label)}">{self.marks}</svg>')


class Chart:
    """Axes, and marks that are placed in the units of the data.

    Args:
        across, up: the ranges of both axes, low before high.
        names: the titles of the axes.
        label: a description for screen readers.
        size: width and height in pixels, without the legend.
        xticks, yticks: the values that are written on the axes; None: round ones.
        log: whether the horizontal axis is logarithmic; `across` is then positive.
    """

    def __init__(
        self,
        across: Range,
        up: Range,
        names: tuple[str, str],
        label: str,
        size: tuple[int, int] = (440, 290),
        xticks: Sequence[float] | None = None,
        yticks: Sequence[float] | None = None,
        log: bool = False,
    ) -> None:
        self._log, self._size, self._label = log, size, label
        self._across, self._up = _widened((self._scaled(across[0]), self._scaled(across[1]))), _widened(up)
        self._marks: list[str] = []
        self._legend: list[tuple[str, str]] = []
        if xticks is None:
            xticks = [10.0**power for power in ticks(*self._across)] if log else ticks(*self._across)
        self._frame(names, xticks, ticks(*self._up) if yticks is None else yticks)

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self._log else value

    def x(self, value: float) -> float:
        """The horizontal pixel of a value."""
        low, high = self._across
        width = self._size[0] - _LEFT - _RIGHT
        return round(_LEFT + (self._scaled(value) - low) / (high - low) * width, 1)

    def y(self, value: float) -> float:
        """The vertical pixel of a value."""
        low, high = self._up
        height = self._size[1] - _TOP - _BOTTOM
        return round(self._size[1] - _BOTTOM - (value - low) / (high - low) * height, 1)

    def _frame(self, names: tuple[str, str], xticks: Sequence[float], yticks: Sequence[float]) -> None:
        width, height = self._size
        right, bottom = width - _RIGHT, height - _BOTTOM
        for value in yticks:
            y = self.y(value)
            self._marks.append(f'<path class="grid" d="M{_LEFT} {y}H{right}"/>')
            self._marks.append(text((_LEFT - 7, y + 4), tick_text(value), "end"))
        self._marks += [text((self.x(value), bottom + 17), tick_text(value), "mid") for value in xticks]
        self._marks.append(f'<path class="axis" d="M{_LEFT} {bottom}H{right}"/>')
        self._marks.append(text(((_LEFT + right) / 2, height - 8), names[0], "mid name"))
        self._marks.append(text((13, (_TOP + bottom) / 2), names[1], "mid name", turned=True))

    def line(self, points: Sequence[tuple[float, float]], style: str, title: str = "") -> None:
        """Connects the points in their order; the line has a gap where a value is not finite."""
        path, pen = [], "M"
        for across, up in points:
            if not (math.isfinite(across) and math.isfinite(up)):
                pen = "M"
                continue
            path.append(f"{pen}{self.x(across):g} {self.y(up):g}")
            pen = "L"
        self._marks.append(f'<path class="line {style}" d="{"".join(path)}">{_title(title)}</path>')

    def level(self, up: float, style: str, title: str = "") -> None:
        """A horizontal line through the whole chart."""
        y = self.y(up)
        d = f"M{_LEFT} {y}H{self._size[0] - _RIGHT}"
        self._marks.append(f'<path class="line {style}" d="{d}">{_title(title)}</path>')

    def upright(self, across: float, style: str, title: str = "") -> None:
        """A vertical line through the whole chart."""
        d = f"M{self.x(across)} {_TOP}V{self._size[1] - _BOTTOM}"
        self._marks.append(f'<path class="line {style}" d="{d}">{_title(title)}</path>')

    def dot(
        self, at: tuple[float, float], style: str, title: str = "", radius: float = 3.5, fill: str = ""
    ) -> None:
        """A disc; `fill` is a colour that is none of the style sheet's."""
        place = f'cx="{self.x(at[0]):g}" cy="{self.y(at[1]):g}" r="{radius:g}"'
        colour = f' fill="{fill}"' if fill else ""
        self._marks.append(f'<circle class="{style}" {place}{colour}>{_title(title)}</circle>')

    def bar(self, ends: Range, up: float, style: str, title: str = "") -> None:
        """A bar from the bottom of the chart."""
        left, right, top = self.x(ends[0]), self.x(ends[1]), self.y(up)
        height = max(self._size[1] - _BOTTOM - top, 0)
        self._marks.append(
            f'<rect class="{style}" x="{left + 0.5:g}" y="{top:g}" width="{max(right - left - 1, 0.5):g}" '
            f'height="{height:g}">{_title(title)}</rect>'
        )

    def text(self, at: tuple[float, float], words: str, style: str, title: str = "") -> None:
        """A text whose middle is at a point."""
        self._marks.append(text((self.x(at[0]), self.y(at[1]) + 4), words, f"mid {style}", title=title))

    def symbol(self, at: tuple[float, float], code: int, title: str) -> None:
        """A mark whose colour and shape both depend on its class."""
        self._marks.append(symbol((self.x(at[0]), self.y(at[1])), code, title))

    def key(self, style: str, words: str) -> None:
        """An entry of the legend: the style of a line, or "symbol 3" for the mark of a class."""
        self._legend.append((style, words))

    def drawing(self) -> Drawing:
        """The chart, with its legend below it."""
        width, height = self._size
        legend, lines = _legend(self._legend, (width, height))
        return Drawing((width, height + lines * _LEGEND_LINE), self._label, "".join([*self._marks, *legend]))


def _legend(entries: Sequence[tuple[str, str]], size: tuple[int, int]) -> tuple[list[str], int]:
    """The entries side by side in as many lines as they need, and how many lines these are."""
    marks, x, line = [], _LEFT - 20, 0
    for style, words in entries:
        wide = 28 + round(len(words) * _LETTER) + 14
        if x + wide > size[0] and x > _LEFT - 20:
            x, line = _LEFT - 20, line + 1
        y = size[1] + 12 + line * _LEGEND_LINE
        if style.startswith("symbol "):
            marks.append(symbol((x + 12, y - 4), int(style.removeprefix("symbol "))))
        else:
            marks.append(f'<path class="line {style}" d="M{x} {y - 4}H{x + 22}"/>')
        marks.append(text((x + 28, y), words))
        x += wide
    return marks, line + 1 if entries else 0


def text(
    at: tuple[float, float], words: object, style: str = "", turned: bool = False, title: str = ""
) -> str:
    """A text at a place in pixels; `turned` lets it run upwards."""
    x, y = at
    place = f'transform="translate({x:g} {y:g}) rotate(-90)"' if turned else f'x="{x:g}" y="{y:g}"'
    return f'<text {place} class="{style}">{escape(words)}{_title(title)}</text>'


_SHAPES = (
    "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0 -4 0Z",
    "M-3.5 -3.5H3.5V3.5H-3.5Z",
    "M0 -4.5L4.5 3.5H-4.5Z",
    "M0 -5L5 0L0 5L-5 0Z",
    "M-1.5 -4.5H1.5V-1.5H4.5V1.5H1.5V4.5H-1.5V1.5H-4.5V-1.5H-1.5Z",
)
"""Disc, square, triangle, diamond and cross around the origin, in pixels."""


def symbol(at: tuple[float, float], code: int, title: str = "") -> str:
    """The mark of a class at a place in pixels, in one of 50 combinations of colour and shape."""
    # Without the second term, codes that share a colour would share a shape too: 10 is a multiple of 5.
    form = _SHAPES[(code + code // COLOURS) % len(_SHAPES)]
    place = f'transform="translate({at[0]:g} {at[1]:g})"'
    return f'<path class="f{code % COLOURS} soft" {place} d="{form}">{_title(title)}</path>'


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Round numbers between two: steps of 1, 2 or 5 times a power of ten."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return []
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [0.0 if place == 0 else place * step for place in range(first, last + 1)]


def whole_ticks(low: int, high: int) -> list[float]:
    """As `ticks`, for counts: whole numbers only."""
    return [value for value in ticks(low, max(high, low + 1), 6) if value == int(value)]


def tick_text(value: float) -> str:
    """A number on an axis."""
    size = abs(value)
    if value and (size >= 1e6 or size < 1e-3):
        return f"{value:.3g}"
    return f"{value:,.6g}" if size < 1000 else f"{value:,.0f}"


def padded_range(values: Sequence[float], room: float = 0.05) -> Range:
    """The least and the greatest finite value with some room on both sides; (0, 1) without any."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return (0.0, 1.0)
    low, high = min(finite), max(finite)
    gap = (high - low) * room or max(abs(high), 1.0) * room
    return (low - gap, high + gap)


def interval_bar(mean: float, intervals: Sequence[tuple[str, Range]], scale: Range, label: str) -> Markup:
    """A mean as a dot on its intervals, given as (style, ends), for a table cell; all cells share a scale."""
    width, height = 220, 18
    if not math.isfinite(mean):
        return Markup("")
    low, high = scale

    def at(value: float) -> float:
        return 6 + (value - low) / ((high - low) or 1.0) * (width - 12)

    marks = "".join(
        f'<path class="{style}" d="M{at(first):.1f} {height / 2}H{at(last):.1f}"/>'
        for style, (first, last) in intervals
        if math.isfinite(first) and math.isfinite(last)
    )
    marks += f'<circle class="f0" cx="{at(mean):.1f}" cy="{height / 2}" r="4"/>'
    box = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return Markup(f'<svg {box} role="img" aria-label="{escape(label)}">{marks}</svg>')


def _widened(ends: Range) -> Range:
    low, high = ends
    return ends if high > low else (low - 0.5, low + 0.5)


def _title(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""
