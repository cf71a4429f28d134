"""Chart: axes and marks as an SVG that takes its colours from the page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.report.html_markup import escaped

COLOURS = 10
"""How many the page has: classes s0 … s9 for lines, f0 … f9 for areas and dots."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 14, 44

Range = tuple[float, float]


class Chart:
    """A frame with axes, in which marks are placed in the units of the data.

    Args:
        across, up: the ranges of both axes, low before high.
        names: what the axes show.
        label: what a screen reader says.
        size: pixels, width and height.
        xticks: the values that are written across; None: round ones.
    """

    def __init__(
        self,
        across: Range,
        up: Range,
        names: tuple[str, str],
        label: str,
        size: tuple[int, int] = (440, 290),
        xticks: Sequence[float] | None = None,
    ) -> None:
        self._across, self._up, self._size = _wide(across), _wide(up), size
        self._label = label
        self._marks: list[str] = []
        self._frame(names, ticks(*self._across) if xticks is None else xticks, ticks(*self._up))

    def x(self, value: float) -> float:
        low, high = self._across
        return round(_LEFT + (value - low) / (high - low) * (self._size[0] - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        low, high = self._up
        return round(
            self._size[1] - _BOTTOM - (value - low) / (high - low) * (self._size[1] - _TOP - _BOTTOM), 1
        )

    def _frame(self, names: tuple[str, str], xticks: Sequence[float], yticks: Sequence[float]) -> None:
        width, height = self._size
        right, bottom = width - _RIGHT, height - _BOTTOM
        for value in yticks:
            y = self.y(value)
            self._marks.append(f'<path class="grid" d="M{_LEFT} {y}H{right}"/>')
            self._marks.append(f'<text x="{_LEFT - 7}" y="{y + 4}" class="end">{written(value)}</text>')
        for value in xticks:
            self._marks.append(
                f'<text x="{self.x(value)}" y="{bottom + 17}" class="mid">{written(value)}</text>'
            )
        self._marks.append(f'<path class="axis" d="M{_LEFT} {bottom}H{right}"/>')
        middle = (_LEFT + right) / 2
        self._marks.append(f'<text x="{middle}" y="{height - 8}" class="mid name">{escaped(names[0])}</text>')
        y = (_TOP + bottom) / 2
        turned = (
            f'<text transform="translate(13 {y}) rotate(-90)" class="mid name">{escaped(names[1])}</text>'
        )
        self._marks.append(turned)

    def line(self, points: Sequence[tuple[float, float]], style: str, title: str = "") -> None:
        """Through the points in their order; it breaks where one is not finite."""
        path, pen = [], "M"
        for across, up in points:
            if not (math.isfinite(across) and math.isfinite(up)):
                pen = "M"
                continue
            path.append(f"{pen}{self.x(across):g} {self.y(up):g}")
            pen = "L"
        self._marks.append(f'<path class="line {style}" d="{"".join(path)}">{_title(title)}</path>')

    def dot(self, at: tuple[float, float], style: str, title: str = "", radius: float = 3.5) -> None:
        place = f'cx="{self.x(at[0]):g}" cy="{self.y(at[1]):g}"'
        self._marks.append(f'<circle class="{style}" {place} r="{radius:g}">{_title(title)}</circle>')

    def bar(self, ends: Range, up: float, style: str, title: str = "") -> None:
        """From the axis up."""
        left, right, top = self.x(ends[0]), self.x(ends[1]), self.y(up)
        height = max(self._size[1] - _BOTTOM - top, 0)
        self._marks.append(
            f'<rect class="{style}" x="{left + 0.5:g}" y="{top:g}" width="{max(right - left - 1, 0.5):g}" '
            f'height="{height:g}">{_title(title)}</rect>'
        )

    def word(self, at: tuple[float, float], text: str, style: str = "") -> None:
        place = f'x="{self.x(at[0]):g}" y="{self.y(at[1]):g}"'
        self._marks.append(f'<text {place} class="{style}">{escaped(text)}</text>')

    def mark(self, at: tuple[float, float], code: int, title: str) -> None:
        """A dot whose colour and shape both tell its class."""
        self._marks.append(shape((self.x(at[0]), self.y(at[1])), code, title))

    def add(self, mark: str) -> None:
        """SVG of the caller's own, escaped by it."""
        self._marks.append(mark)

    def svg(self) -> str:
        return drawing(self._size, self._label, "".join(self._marks))


def drawing(size: tuple[float, float], label: str, marks: str) -> str:
    """An SVG of that many pixels, which grows and shrinks with its place."""
    box = f'viewBox="0 0 {size[0]:g} {size[1]:g}" style="max-width:{size[0] * 1.35:.0f}px"'
    return f'<svg {box} role="img" aria-label="{escaped(label)}">{marks}</svg>'


_SHAPES = (
    "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0 -4 0Z",
    "M-3.5 -3.5H3.5V3.5H-3.5Z",
    "M0 -4.5L4.5 3.5H-4.5Z",
    "M0 -5L5 0L0 5L-5 0Z",
    "M-1.5 -4.5H1.5V-1.5H4.5V1.5H1.5V4.5H-1.5V1.5H-4.5V-1.5H-1.5Z",
)
"""Disc, square, triangle, diamond, cross: around 0, in pixels."""


def shape(at: tuple[float, float], code: int, title: str = "") -> str:
    """A mark of one class at a place in pixels; colours and shapes have different periods, 10 and 5."""
    # Codes a period of colours apart would else have the same shape.
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


def whole_ticks(low: float, high: float) -> list[float]:
    """As `ticks`, of things that are counted."""
    return [value for value in ticks(low, max(high, low + 1), 6) if value == int(value)]


def written(value: float) -> str:
    """A number on an axis."""
    size = abs(value)
    if value and (size >= 1e6 or size < 1e-3):
        return f"{value:.3g}"
    return f"{value:,.6g}" if size < 1000 else f"{value:,.0f}"


def reach(values: Sequence[float], room: float = 0.05) -> Range:
    """From the least to the greatest finite value, and some room on both sides; (0, 1) of none."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return (0.0, 1.0)
    low, high = min(finite), max(finite)
    gap = (high - low) * room or max(abs(high), 1.0) * room
    return (low - gap, high + gap)


def _wide(ends: Range) -> Range:
    low, high = ends
    return ends if high > low else (low - 0.5, low + 0.5)


def _title(text: str) -> str:
    return f"<title>{escaped(text)}</title>" if text else ""


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """What each kind of mark means: (style of a line, words)."""
    keys = "".join(
        f'<span><svg viewBox="0 0 22 8" class="key"><path class="line {style}" d="M1 4H21"/></svg>'
        f"{escaped(words)}</span>"
        for style, words in entries
    )
    return f'<p class="legend">{keys}</p>'
