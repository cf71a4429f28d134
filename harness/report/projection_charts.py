"""Pictures of a representation in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from harness.evaluate.projection_2d import Panel, Projection
from harness.report.html.chart import COLOURS, Chart, Range, padded_range
from harness.report.html.page_parts import Figure

MOST_NAMED = 20
"""With more classes than this, their names are left out."""

_DARK_TO_LIGHT = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""Points of matplotlib's viridis, for targets that are numbers."""

_GREY = "#bbbbbb"


def projection_title(projection: Projection) -> str:
    """`PCA of 500 test rows, 20 of them unlabelled (grey); axes learned from training rows`."""
    count = len(projection.panels[0].points)
    grey = 0 if projection.targets is None else int(np.sum(~_known(projection)))
    unlabelled = f", {grey:,} of them unlabelled (grey)" if grey else ""
    method = projection.method.upper()
    return f"{method} of {count:,} {projection.part} rows{unlabelled}; axes learned from training rows"


def projection_figures(projection: Projection) -> list[Figure]:
    """A figure per panel, its rows coloured by their target; up to twenty classes are named."""
    return [_panel(projection, panel) for panel in projection.panels]


def _known(projection: Projection) -> np.ndarray:
    """(n,) bool: which rows have a target. A class of -1 is unknown."""
    if projection.targets is None:
        return np.zeros(len(projection.panels[0].points), dtype=bool)
    targets = projection.targets.astype(np.float64)
    return ~np.isnan(targets) & ((targets >= 0) | (not projection.classes))


def _panel(projection: Projection, panel: Panel) -> Figure:
    count = len(panel.points)
    across, up = square_ranges(panel.points)
    shares = [""] * 2 if panel.shares is None else [f": {share:.0%} of variance" for share in panel.shares]
    name = "component" if projection.method == "pca" else "dimension"
    names = (f"{name} 1{shares[0]}", f"{name} 2{shares[1]}")
    chart = Chart(across, up, names, f"{panel.name}: {projection.method}", (400, 400), [], [])
    known, targets = _known(projection), projection.targets
    colours = _colours(projection)
    radius = max(1.2, min(3.0, (8000 / max(1, count)) ** 0.5 / 1.4))
    # In random order, because what is drawn last hides what lies below it.
    for row in np.random.default_rng(0).permutation(count).tolist():
        fill = colours[row] if known[row] else ("" if targets is None else _GREY)
        chart.dot(tuple(panel.points[row]), "soft f0" if not fill else "soft", "", radius, fill)
    if targets is not None and len(projection.classes) <= MOST_NAMED:
        for code, label in enumerate(projection.classes):
            own = panel.points[targets == code]
            if len(own):
                chart.text(tuple(middle_point(own)), label, f"halo f{code % COLOURS}")
    caption = panel.name
    if known.any() and not projection.classes and targets is not None:
        low, high = float(targets[known].min()), float(targets[known].max())
        caption += f"; dark is a target of {low:.4g}, light of {high:.4g}"
    return Figure([chart.drawing()], caption)


def middle_point(points: np.ndarray) -> np.ndarray:
    """(2,) The point nearest to the median of (n, 2) points: the median itself may lie between clusters."""
    gaps = np.square(points - np.median(points, axis=0)).sum(axis=1)
    return np.asarray(points[gaps.argmin()])


def square_ranges(points: np.ndarray) -> tuple[Range, Range]:
    """The ranges of both columns of (n, 2) points."""
    return padded_range(points[:, 0].tolist()), padded_range(points[:, 1].tolist())


def _colours(projection: Projection) -> list[str]:
    """(n,) a colour for each row: of its class, or by its number."""
    if projection.targets is None:
        return []
    known = _known(projection)
    if projection.classes:
        palette = class_colours(len(projection.classes))
        return [palette[int(code)] if ok else "" for code, ok in zip(projection.targets, known, strict=True)]
    values = projection.targets.astype(np.float64)
    low, high = (float(values[known].min()), float(values[known].max())) if known.any() else (0.0, 1.0)
    scaled = np.nan_to_num((values - low) / ((high - low) or 1.0))
    return [_between(_DARK_TO_LIGHT, float(value)) for value in scaled]


def class_colours(count: int) -> list[str]:
    """A different colour for each class: the style sheet's for ten, else evenly spaced hues."""
    if count <= COLOURS:
        return [f"var(--c{code})" for code in range(count)]
    # The golden angle keeps the hues of neighbouring codes far apart.
    return [
        f"hsl({137.508 * code % 360:.1f} {55 + 15 * (code % 3)}% {42 + 8 * (code % 2)}%)"
        for code in range(count)
    ]


def _between(colours: Sequence[tuple[int, int, int]], place: float) -> str:
    """The colour at a place in 0 … 1 of evenly spaced colours."""
    at = min(max(place, 0.0), 1.0) * (len(colours) - 1)
    first, second = list(pairwise(colours))[min(int(at), len(colours) - 2)]
    share = at - min(int(at), len(colours) - 2)
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"
